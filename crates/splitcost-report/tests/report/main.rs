//! The report's texts, as snapshots of made-up studies; what a browser shows of the page is tested in
//! `tests/python/report`.

use splitcost_model::answers::{AnswerDifference, Answers, Aspect};
use splitcost_model::estimate::{Estimate, ServiceWork, Work};
use splitcost_model::number;
use splitcost_model::rehearsal::Rehearsal;
use splitcost_model::statistics::{Interval, Level};
use splitcost_model::study::{SplitStudy, Study, VerdictClass};
use splitcost_report::text::Style;
use splitcost_report::{html, text};
use splitcost_study::comparison::compare;
use splitcost_study::verdict::judge;

mod finding;
mod fixture;
mod interface;
mod interface_fixture;

fn screen(study: &Study) -> String {
    text::render(study, &Style::default())
}

#[test]
fn a_full_study_fits_a_screen() {
    let screen = screen(&fixture::shop());
    assert!(screen.lines().count() <= 67, "{} lines", screen.lines().count());
    assert!(screen.lines().all(|line| line.chars().count() <= 100));
    insta::assert_snapshot!(screen, @"
    billing: httpx, loopback link, 60 requests/s. Ratios of split to monolith with 90 % intervals
                                           alone      median under load
                                     calls predicted             ms  predicted   measured
    GET /products/{product_id}           0 1.01× ±4%    2.31 → 2.31  1.03× ±9%  1.00× ±7%
    GET /products                        0 1.00× ±4%    6.82 → 6.75  1.02× ±9% 0.990× ±7%
    GET /products/{product_id}/price     0 1.00× ±4%    1.94 → 1.96  1.02× ±9%  1.01× ±7%
    GET /users/{user_id}                 0 1.00× ±4%    2.08 → 2.04  1.02× ±9% 0.980× ±7%
    GET /users/{user_id}/orders          0 1.02× ±4%    12.1 → 12.2  1.04× ±9%  1.01× ±7%
    GET /orders/{order_id}               0 1.00× ±4%    5.42 → 5.53  1.02× ±9%  1.02× ±7%
    POST /orders                         1 1.09× ±4%    18.7 → 20.9  1.11× ±9%  1.12× ±7%
    POST /orders/{order_id}/invoice      1 1.14× ±4%    14.3 → 15.9  1.16× ±9%  1.11× ±7%
    GET /reports/sales                   0 1.01× ±4%    41.6 → 41.6  1.03× ±9%  1.00× ±7%
    saturation, requests/s                                130 → 126 0.979× ±6% 0.970× ±4%
    CPU, ms/request                                     7.68 → 7.94  1.02× ±4%  1.03× ±3%
    cores                                             0.461 → 0.476  1.03× ±4%  1.03× ±3%
    $/month                                             15.0 → 15.5  1.03× ±4%  1.03× ±3%
      Prediction and measurement agree within their intervals for all 20 ratios, 3 % off in the median.
    pricing: httpx, same zone link, 60 requests/s. Ratios of split to monolith with 90 % intervals
                                           alone      median under load
                                     calls predicted            ms  predicted   measured
    GET /products/{product_id}           1 1.62× ±4%   2.31 → 3.65  1.65× ±9%  1.58× ±7%
    GET /products                       12 4.90× ±4%   6.82 → 36.1  5.00× ±9%  5.30× ±7%
    GET /products/{product_id}/price     1 1.71× ±4%   1.94 → 3.47  1.74× ±9%  1.79× ±7%
    GET /users/{user_id}                 0 1.00× ±4%   2.08 → 2.12  1.02× ±9%  1.02× ±7%
    GET /users/{user_id}/orders         23 6.12× ±4%   12.1 → 80.2  6.24× ±9%  6.63× ±7%
    GET /orders/{order_id}             3.2 2.06× ±4%   5.42 → 11.7  2.10× ±9%  2.15× ±7%
    POST /orders                       4.4 1.83× ±4%   18.7 → 32.5  1.87× ±9%  1.74× ±7%
    POST /orders/{order_id}/invoice      2 1.31× ±4%   14.3 → 19.4  1.34× ±9%  1.36× ±7%
    GET /reports/sales                  40 2.71× ±4%    41.6 → 103  2.77× ±9%  2.48× ±7%
    saturation, requests/s                              130 → 44.8 0.351× ±9% 0.344× ±6%
    CPU, ms/request                                    7.68 → 20.9  2.81× ±7%  2.72× ±4%
    cores                                             0.461 → 1.25  2.81× ±7%  2.72× ±4%
    $/month                                            15.0 → 40.7  2.81× ±7%  2.72× ±4%
      Prediction and measurement agree within their intervals for all 20 ratios, 3 % off in the median.
    Calls that cause it
      billing  +2.01 ms/request: 1 × ….billing:create_invoice at …/orders/service.py:142, POST /…/{orde…
      billing  +1.72 ms/request: 1 × shop.billing:authorize at shop/orders/service.py:97, POST /orders
      pricing  +71.2 ms/request: 40 × ….pricing:historic_price at …/orders/service.py:311, GET /reports…
      pricing  +61.9 ms/request: 23 × shop.pricing:quote at …/orders/service.py:88, blocks the loop, GE…
      pricing  +26.6 ms/request: 12 × shop.pricing:quote at …/catalog/service.py:54, GET /… (and 6 more)
    Calls that need work before they can cross
      pricing  1.75 per request, adapted: shop.…:apply_discounts at …/orders/service.py:126: arguments.…
      pricing  0.5 per request, adapted: shop.pricing:iter_rules at …/billing/service.py:7… (and 1 more)
    billing: Costs little
      billing as its own service makes POST /orders 1.1× slower at the median (18.7 → 20.9 ms,
      measured), saturates as before, at 126 requests/s and makes 4.25 calls between services per
      request (all of measured size, 4 rehearsable): worth considering, the boundary costs little
      (within the intervals, “has its price” is possible too).
      shop.inventory:reserve commits its own transaction, not shop.orders's, 1.00 × per POST /orders
      shop.cart:Cart is called back 14.0 × per request by shop.pricing
      100 of 100 answers equal those of the monolith
    pricing: Do not split here yet
      pricing as its own service makes GET /users/{user_id}/orders 6.6× slower at the median (12.1 →
      80.2 ms, measured), needs 0.8 more cores at 60 requests/s, saturates at 44.8 instead of 130
      requests/s and has 3 call sites that cannot cross as they are: do not split here before
      shop.pricing:quote is batched (23 calls per request).
      100 of 100 answers equal those of the monolith
      link main → pricing same zone: asked for 393 µs (p99 1,116), late by 0.400 (p99 8.20)
    ! 14 recorded requests failed (status 400 and above); they are in no response time.
    = requests run in 1 process (seen while recording), 4 WSGI threads in each (configured)
    ~ assumed: A pool thread takes 60 µs to wake.
    ");
}

#[test]
fn a_crowded_study_fits_a_screen_too() {
    let screen = screen(&fixture::crowded());
    assert!(screen.lines().count() <= 74, "{} lines", screen.lines().count());
    assert!(screen.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn a_prediction_alone_says_so() {
    let mut evaluation = fixture::estimated();
    evaluation.splits.remove(0);
    insta::assert_snapshot!(screen(&evaluation), @"
    pricing: httpx, same zone link, 60 requests/s. Ratios of split to monolith with 90 % intervals,
      monolith simulated
                                           alone                  median under load
                                     calls          ms predicted            ms  predicted
    GET /products/{product_id}           1 1.85 → 2.99 1.62× ±4%   2.26 → 3.74  1.65× ±9%
    GET /products                       12 5.46 → 26.7 4.90× ±4%   6.68 → 33.4  5.00× ±9%
    GET /products/{product_id}/price     1 1.55 → 2.65 1.71× ±4%   1.90 → 3.32  1.74× ±9%
    GET /users/{user_id}                 0 1.66 → 1.66 1.00× ±4%   2.04 → 2.08  1.02× ±9%
    GET /users/{user_id}/orders         23 9.68 → 59.2 6.12× ±4%   11.9 → 74.1  6.24× ±9%
    GET /orders/{order_id}             3.2 4.34 → 8.93 2.06× ±4%   5.31 → 11.2  2.10× ±9%
    POST /orders                       4.4 15.0 → 27.4 1.83× ±4%   18.3 → 34.2  1.87× ±9%
    POST /orders/{order_id}/invoice      2 11.4 → 15.0 1.31× ±4%   14.0 → 18.7  1.34× ±9%
    GET /reports/sales                  40 33.3 → 90.2 2.71× ±4%    40.8 → 113  2.77× ±9%
    saturation, requests/s                                          131 → 46.1 0.351× ±9%
    CPU, ms/request                                                7.62 → 21.4  2.81× ±7%
    cores                                                         0.457 → 1.28  2.81× ±7%
    $/month                                                        14.8 → 41.7  2.81× ±7%
    Calls that cause it
      +71.2 ms/request: 40 × ….pricing:historic_price at …/orders/service.py:311, GET /reports/sales
      +61.9 ms/request: 23 × shop.pricing:quote at …/orders/service.py:88, blocks the loop, GET /users/…
      +26.6 ms/request: 12 × shop.pricing:quote at …/catalog/service.py:54, GET /products (and 6 more)
    Calls that need work before they can cross
      1.75 per request, adapted: shop.…:apply_discounts at …/orders/service.py:126: arguments.order is …
      0.5 per request, adapted: shop.pricing:iter_rules at …/billing/service.py:70: result… (and 1 more)
    pricing: Do not split here yet
      pricing as its own service makes GET /users/{user_id}/orders 6.1× slower when alone (9.68 → 59.2
      ms, predicted), needs 0.8 more cores at 60 requests/s, saturates at 46.1 instead of 131 requests/s
      and has 3 call sites that cannot cross as they are: do not split here before shop.pricing:quote is
      batched (23 calls per request).
    ! 14 recorded requests failed (status 400 and above); they are in no response time.
    = requests run in 1 process (seen while recording), 4 WSGI threads in each (configured)
    ~ assumed: A pool thread takes 60 µs to wake.
    ");
}

#[test]
fn cut_transactions_and_joins_are_listed_on_the_terminal() {
    let screen = screen(&fixture::cut());
    let from = screen.find("Transactions and joins").expect("they are listed");
    let until = screen.find("pricing: Do not").expect("there is a verdict");
    insta::assert_snapshot!(&screen[from..until], @"
    Transactions and joins of several services
      0.97 transactions/request write order_lines, orders of main and price_history of pricing at …/ord…
      1 joins/request of order_lines, orders of main and price_history of pricing at …/orders/service.p…
    Tables of other services
      3.4 reads/request of price_history of pricing by shop.orders at …/orders/service.py:1, POST /orde…
      1.7 reads/request of price_history of pricing by shop.orders at …/orders/service.py… (and 12 more)
    ");
    assert!(screen.contains("cuts the transaction of POST /orders"), "{screen}");
}

#[test]
fn nothing_is_said_to_be_nothing() {
    insta::assert_snapshot!(screen(&Study::default()), @"The study has no split.");
}

#[test]
fn a_narrow_terminal_gets_lone_requests_only() {
    let mut evaluation = fixture::shop();
    evaluation.splits.remove(0);
    evaluation.splits[0].rehearsal = fixture::paired().splits.remove(1).rehearsal;
    let split = &mut evaluation.splits[0];
    split.comparison = compare(&split.estimate, split.rehearsal.as_ref(), &split.usd_per_month);
    let wide = text::render(&evaluation, &Style { color: false, width: 120 });
    assert!(wide.contains("alone") && wide.contains("median under load"), "{wide}");
    let screen = text::render(&evaluation, &Style { color: false, width: 72 });
    assert!(screen.lines().all(|line| line.chars().count() <= 72), "{screen}");
    assert!(screen.contains("alone") && !screen.contains("median under load  "), "{screen}");
    assert!(screen.contains("saturation, requests/s"), "{screen}");
}

#[test]
fn lone_requests_come_first_where_they_were_measured() {
    let screen = text::render(&fixture::paired(), &Style { color: false, width: 120 });
    let until = screen.find("Calls that cause it").expect("there are calls");
    insta::assert_snapshot!(&screen[..until], @"
    billing: httpx, loopback link, 60 requests/s. Ratios of split to monolith with 90 % intervals
                                           alone                               median under load
                                     calls          ms predicted   measured               ms  predicted   measured
    GET /products/{product_id}           0 1.85 → 1.85 1.01× ±4%  1.00× ±2% ≈    2.31 → 2.31  1.03× ±9%  1.00× ±7%
    GET /products                        0 5.46 → 5.40 1.00× ±4% 0.990× ±2% ≈    6.82 → 6.75  1.02× ±9% 0.990× ±7%
    GET /products/{product_id}/price     0 1.55 → 1.57 1.00× ±4%  1.01× ±2% ≈    1.94 → 1.96  1.02× ±9%  1.01× ±7%
    GET /users/{user_id}                 0 1.66 → 1.63 1.00× ±4% 0.980× ±2% ≈    2.08 → 2.04  1.02× ±9% 0.980× ±7%
    GET /users/{user_id}/orders          0 9.68 → 9.78 1.02× ±4%  1.01× ±2% ≈    12.1 → 12.2  1.04× ±9%  1.01× ±7%
    GET /orders/{order_id}               0 4.34 → 4.42 1.00× ±4%  1.02× ±2% ≈    5.42 → 5.53  1.02× ±9%  1.02× ±7%
    POST /orders                         1 15.0 → 16.8 1.09× ±4%  1.12× ±2%      18.7 → 20.9  1.11× ±9%  1.12× ±7%
    POST /orders/{order_id}/invoice      1 11.4 → 12.7 1.14× ±4%  1.11× ±2%      14.3 → 15.9  1.16× ±9%  1.11× ±7%
    GET /reports/sales                   0 33.3 → 33.3 1.01× ±4%  1.00× ±2% ≈    41.6 → 41.6  1.03× ±9%  1.00× ±7%
    saturation, requests/s                                                         130 → 126 0.979× ±6% 0.970× ±4%
    CPU, ms/request                                                              7.68 → 7.94  1.02× ±4%  1.03× ±3%
    cores                                                                      0.461 → 0.476  1.03× ±4%  1.03× ±3%
    $/month                                                                      15.0 → 15.5  1.03× ±4%  1.03× ±3%
      noise: two copies of the monolith differ by at most 4 % alone (200 pairs for each endpoint); ≈ marks ratios that are
      not beyond it
      Prediction and measurement agree within their intervals for all 29 ratios, 3 % off in the median.
    pricing: httpx, same zone link, 60 requests/s. Ratios of split to monolith with 90 % intervals
                                           alone                              median under load
                                     calls          ms predicted  measured              ms  predicted   measured
    GET /products/{product_id}           1 1.85 → 2.92 1.62× ±4% 1.58× ±2%     2.31 → 3.65  1.65× ±9%  1.58× ±7%
    GET /products                       12 5.46 → 28.9 4.90× ±4% 5.30× ±2% ≠   6.82 → 36.1  5.00× ±9%  5.30× ±7%
    GET /products/{product_id}/price     1 1.55 → 2.78 1.71× ±4% 1.79× ±2%     1.94 → 3.47  1.74× ±9%  1.79× ±7%
    GET /users/{user_id}                 0 1.66 → 1.70 1.00× ±4% 1.02× ±2% ≈   2.08 → 2.12  1.02× ±9%  1.02× ±7%
    GET /users/{user_id}/orders         23 9.68 → 64.2 6.12× ±4% 6.63× ±2% ≠   12.1 → 80.2  6.24× ±9%  6.63× ±7%
    GET /orders/{order_id}             3.2 4.34 → 9.32 2.06× ±4% 2.15× ±2%     5.42 → 11.7  2.10× ±9%  2.15× ±7%
    POST /orders                       4.4 15.0 → 26.0 1.83× ±4% 1.74× ±2%     18.7 → 32.5  1.87× ±9%  1.74× ±7%
    POST /orders/{order_id}/invoice      2 11.4 → 15.6 1.31× ±4% 1.36× ±2%     14.3 → 19.4  1.34× ±9%  1.36× ±7%
    GET /reports/sales                  40 33.3 → 82.5 2.71× ±4% 2.48× ±2% ≠    41.6 → 103  2.77× ±9%  2.48× ±7%
    saturation, requests/s                                                      130 → 44.8 0.351× ±9% 0.344× ±6%
    CPU, ms/request                                                            7.68 → 20.9  2.81× ±7%  2.72× ±4%
    cores                                                                     0.461 → 1.25  2.81× ±7%  2.72× ±4%
    $/month                                                                    15.0 → 40.7  2.81× ±7%  2.72× ±4%
      noise: two copies of the monolith differ by at most 4 % alone (200 pairs for each endpoint); ≈ marks ratios that are
      not beyond it
      ≠ Prediction and measurement agree within their intervals for 26 of 29 ratios, 4 % off in the median; they do not for
      time alone of GET /reports/sales (2.71× predicted, 2.48× measured), time alone of GET /users/{user_id}/orders (6.12×
      predicted, 6.63× measured) and time alone of GET /products (4.90× predicted, 5.30× measured).
    ");
    let course: Vec<&str> = screen.lines().skip_while(|line| !line.starts_with("= measured for")).take(2).collect();
    insta::assert_snapshot!(course.join("\n"), @"
    = measured for 172 s; 7 blocks under load were discarded, without a look at their results, and 96 count: another
      process, `cc1plus`, used up to 0.8 cores (7)
    ");
    let page = html::render(&fixture::paired());
    assert!(page.contains("data-path=\"/course/secs\""), "{page}");
    assert!(page.contains("<tr class=\"alone\">") && page.contains("<svg class=\"pairs\""));
    assert!(page.contains("data-path=\"/splits/0/comparison/endpoints/0/ratios/alone/measured/value\""), "{page}");
}

#[test]
fn twelve_endpoints_fit_a_screen_and_the_rest_is_a_line() {
    let mut study = fixture::crowded();
    study.splits.remove(0);
    let screen = text::render(&study, &Style { color: false, width: 120 });
    assert!(screen.lines().count() <= 45, "{} lines", screen.lines().count());
    let rest = screen.lines().find(|line| line.starts_with("… and ")).expect("thirty endpoints do not fit");
    insta::assert_snapshot!(rest, @"… and 18 more with 29 % of the requests, 1.0× to 6.6×: --format json and the page have all");
    study.splits[0].comparison.endpoints.truncate(12);
    let screen = text::render(&study, &Style { color: false, width: 120 });
    assert!(!screen.contains("… and "), "{screen}");
}

#[test]
fn a_sentence_says_where_prediction_and_measurement_disagree() {
    let mut study = fixture::paired();
    let split = &mut study.splits[1];
    let rehearsal = split.rehearsal.as_mut().expect("it was rehearsed");
    rehearsal.alone[0].ratio = Interval::new(Level::NINETY, 9.0, 8.6, 9.4);
    split.comparison = compare(&split.estimate, split.rehearsal.as_ref(), &split.usd_per_month);
    let agreement = split.comparison.agreement.clone().expect("it was rehearsed");
    insta::assert_snapshot!(agreement.sentence, @"Prediction and measurement agree within their intervals for 26 of 29 ratios, 4 % off in the median; they do not for time alone of GET /products (4.90× predicted, 9.00× measured), time alone of GET /reports/sales (2.71× predicted, 2.48× measured) and time alone of GET /users/{user_id}/orders (6.12× predicted, 6.63× measured).");
    assert!(html::render(&study).contains(&format!("<p class=\"agreement\">{}</p>", agreement.sentence)));
    let text = text::render(&study, &Style { color: false, width: 1_000 });
    assert!(text.contains(&format!("≠ {}", agreement.sentence)), "{text}");
    let line = text.lines().find(|line| line.contains("9.00× ±4%")).expect("it is in the table");
    assert!(line.contains("9.00× ±4% ≠"), "{line}");
}

#[test]
fn what_is_not_beyond_the_noise_is_no_slowdown() {
    let (class, sentence) = judged(fixture::paired().splits.remove(1), |estimate, rehearsal| {
        only_response_times(estimate, rehearsal);
        for endpoint in &mut rehearsal.endpoints {
            endpoint.response.split.clone_from(&endpoint.response.monolith);
        }
        for endpoint in &mut rehearsal.alone {
            endpoint.ratio = Interval::new(Level::NINETY, 1.4, 1.3, 1.5);
            endpoint.noise = Interval::new(Level::NINETY, 1.0, 0.7, 1.4);
            endpoint.response_ms.monolith = 20.0;
        }
    });
    assert_eq!(class, VerdictClass::Cheap);
    insta::assert_snapshot!(sentence, @"pricing as its own service makes no endpoint slower when alone beyond the noise (at worst GET /products: 20.0 → 28.0 ms, measured), saturates as before, at 130 requests/s and has 3 call sites that cannot cross as they are: worth considering, the boundary costs little (within the intervals, “has its price” is possible too).");
}

#[test]
fn colours_come_only_when_asked_for() {
    let evaluation = fixture::shop();
    assert!(!screen(&evaluation).contains('\x1b'));
    assert!(text::render(&evaluation, &Style { color: true, width: 100 }).contains('\x1b'));
}

/// Judges a split after a change of its estimate and rehearsal.
fn judged(mut split: SplitStudy, change: impl FnOnce(&mut Estimate, &mut Rehearsal)) -> (VerdictClass, String) {
    let rehearsal = split.rehearsal.as_mut().expect("the fixture's splits were rehearsed");
    change(&mut split.estimate, rehearsal);
    split.comparison = compare(&split.estimate, split.rehearsal.as_ref(), &split.usd_per_month);
    let verdict = judge(&split);
    (verdict.class, verdict.sentence)
}

/// The verdict on the chatty split after a change.
fn verdict_on(change: impl FnOnce(&mut Estimate, &mut Rehearsal)) -> (VerdictClass, String) {
    judged(fixture::shop().splits.remove(1), change)
}

/// The saturation and the cores of the split become the monolith's.
fn only_response_times(_: &mut Estimate, rehearsal: &mut Rehearsal) {
    rehearsal.figures.split = rehearsal.figures.monolith;
}

#[test]
fn a_chatty_split_is_advised_against() {
    let (class, sentence) = verdict_on(|_, _| {});
    assert_eq!(class, VerdictClass::Prohibitive);
    insta::assert_snapshot!(sentence, @"pricing as its own service makes GET /users/{user_id}/orders 6.6× slower at the median (12.1 → 80.2 ms, measured), needs 0.8 more cores at 60 requests/s, saturates at 44.8 instead of 130 requests/s and has 3 call sites that cannot cross as they are: do not split here before shop.pricing:quote is batched (23 calls per request).");
}

#[test]
fn a_coarse_split_is_worth_considering() {
    let (class, sentence) = judged(fixture::shop().splits.remove(0), |_, _| {});
    assert_eq!(class, VerdictClass::Cheap);
    insta::assert_snapshot!(sentence, @"billing as its own service makes POST /orders 1.1× slower at the median (18.7 → 20.9 ms, measured), saturates as before, at 126 requests/s and makes 4.25 calls between services per request (all of measured size, 4 rehearsable): worth considering, the boundary costs little (within the intervals, “has its price” is possible too).");
}

#[test]
fn a_split_that_lets_more_through_is_a_gain() {
    let (class, sentence) = judged(fixture::shop().splits.remove(0), |_, rehearsal| {
        let saturation = Interval::new(Level::NINETY, 190.0, 184.0, 197.0);
        rehearsal.figures.split.saturation_reqs_per_sec = Some(saturation);
        for endpoint in &mut rehearsal.endpoints {
            endpoint.response.split.clone_from(&endpoint.response.monolith);
        }
    });
    assert_eq!(class, VerdictClass::Gains);
    insta::assert_snapshot!(sentence, @"billing as its own service leaves every endpoint about as fast at the median (at worst GET /products: 6.82 → 6.82 ms, measured), saturates at 190 instead of 130 requests/s and makes 4.25 calls between services per request (all of measured size, 4 rehearsable): worth considering, for the throughput.");
}

#[test]
fn a_service_that_would_do_little_of_its_work_gets_no_verdict() {
    let (class, sentence) = judged(fixture::shop().splits.remove(0), |estimate, _| {
        estimate.work = vec![fixture::work_of_rows("billing")];
    });
    assert_eq!(class, VerdictClass::Undecided);
    insta::assert_snapshot!(sentence, @"No verdict on “billing”: the boundary of billing does not separate its work: 1.20 of 21.0 ms of CPU and 0.3 of 14 statements per request of shop.billing would run in billing; the rest runs elsewhere, most of it in shop.billing:Line.total, a method of a value, which runs where the value is. To get one, record requests that use the service's own functions, or draw its boundary around that work.");
}

/// Checks the verdict on a split of which so much CPU time and so many statements would run in the service, of 10 each.
#[track_caller]
fn check_work(cpu_ms: f64, statements: f64, expected: VerdictClass) {
    let (class, sentence) = judged(fixture::shop().splits.remove(0), |estimate, _| {
        estimate.work = vec![ServiceWork {
            recorded: Work { cpu_ms_per_request: 10.0, statements_per_request: 10.0 },
            in_service: Work { cpu_ms_per_request: cpu_ms, statements_per_request: statements },
            ..fixture::work_of_rows("billing")
        }];
    });
    assert_eq!(class, expected, "{sentence}");
}

#[test]
fn half_of_the_work_must_run_in_the_service() {
    check_work(5.0, 5.0, VerdictClass::Cheap);
    check_work(4.9, 10.0, VerdictClass::Undecided);
    check_work(10.0, 4.9, VerdictClass::Undecided);
    check_work(0.0, 0.0, VerdictClass::Undecided);
}

#[test]
fn a_service_without_recorded_work_gets_no_verdict() {
    let (class, sentence) = judged(fixture::shop().splits.remove(0), |estimate, _| {
        estimate.work = vec![ServiceWork { service: "billing".to_owned(), ..ServiceWork::default() }];
    });
    assert_eq!(class, VerdictClass::Undecided);
    insta::assert_snapshot!(sentence, @"No verdict on “billing”: the recording holds no work of shop.billing. To get one, record requests that use the service's own functions, or draw its boundary around that work.");
}

#[test]
fn a_split_that_is_too_dear_is_advised_against_wherever_its_work_runs() {
    let (class, _) = verdict_on(|estimate, _| {
        estimate.work = vec![fixture::work_of_rows("pricing")];
    });
    assert_eq!(class, VerdictClass::Prohibitive);
}

#[test]
fn the_work_of_a_service_is_on_the_terminal_and_on_the_page() {
    let study = fixture::cut();
    let screen = screen(&study);
    let from = screen.find("Work of the services").expect("it is listed");
    let until = screen.find("Transactions and joins").expect("they come next");
    insta::assert_snapshot!(&screen[from..until], @"
    Work of the services' own modules
      1.20 of 21.0 ms of CPU and 0.3 of 14 statements per request of shop.pricing would run in pricing;
        the rest runs elsewhere, most of it in shop.pricing:Line.total, a method of a value, which runs
        where the value is
    ");
    let page = html::render(&study);
    let path = "data-path=\"/splits/0/estimate/work/0/in_service/cpu_ms_per_request\"";
    assert!(page.contains(path), "{path}");
}

/// A hundred answers, of which so many equal the monolith's.
fn answers(equal: u64) -> Answers {
    let difference = AnswerDifference {
        endpoint: "POST /orders".to_owned(),
        aspect: Aspect::Body,
        answers: 100 - equal,
        place: "$.price: another number".to_owned(),
    };
    Answers { compared: 100, equal, differences: vec![difference], ..Answers::default() }
}

#[test]
fn a_split_that_answers_otherwise_than_the_monolith_gets_no_verdict() {
    let check = |equal| judged(fixture::shop().splits.remove(0), |_, run| run.answers = Some(answers(equal)));
    let (class, sentence) = check(97);
    assert_eq!(class, VerdictClass::Undecided);
    insta::assert_snapshot!(sentence, @"No verdict on “billing”: 3 of 100 answers differ from the monolith's: 3 of POST /orders ($.price: another number). To get one, give the calls what their answers depend on, or leave the endpoints out of the workload, and rehearse it again.");
    assert_eq!(check(98).0, VerdictClass::Cheap);
}

#[test]
fn the_comparison_of_answers_is_on_the_terminal_and_on_the_page() {
    let mut study = fixture::shop();
    study.splits[0].rehearsal.as_mut().expect("it was rehearsed").answers = Some(answers(98));
    let text = screen(&study).replace("\n   ", "");
    assert!(text.contains("2 of POST /orders ($.price: another number)"), "{text}");
    assert!(text.contains("100 of 100 answers equal those of the monolith"), "{text}");
    let page = html::render(&study);
    for path in ["differences/0/answers", "compared", "equal"] {
        assert!(page.contains(&format!("/splits/0/rehearsal/answers/{path}")), "{path} in {page}");
    }
    assert!(page.contains("another number") && page.contains("equal those of the monolith"), "{page}");
    for split in &mut study.splits {
        split.rehearsal.as_mut().expect("it was rehearsed").answers = None;
    }
    for text in [screen(&study), html::render(&study)] {
        assert_eq!(text.matches("no answer was compared with the monolith").count(), 2, "{text}");
    }
}

#[test]
fn wide_intervals_allow_no_verdict() {
    let (class, sentence) = verdict_on(|estimate, rehearsal| {
        only_response_times(estimate, rehearsal);
        for endpoint in &mut rehearsal.endpoints {
            endpoint.response.split.clone_from(&endpoint.response.monolith);
            let p50_ms = Interval::new(Level::NINETY, 30.0, 2.0, 400.0);
            endpoint.response.split.iter_mut().for_each(|times| times.p50_ms = p50_ms);
        }
    });
    assert_eq!(class, VerdictClass::Undecided);
    insta::assert_snapshot!(sentence, @"pricing as its own service makes GET /products/{product_id}/price 15× slower at the median (1.94 → 30.0 ms, measured), saturates as before, at 130 requests/s and has 3 call sites that cannot cross as they are: no verdict, the intervals reach from “costs little” to “do not split”; a smaller --precision with a larger --budget settles it: the time of GET /products/{product_id}/price at the median, now 0.98× to 215× the monolith's, has to be known better.");
}

#[test]
fn missing_numbers_allow_no_verdict() {
    let (class, sentence) = verdict_on(|estimate, rehearsal| {
        estimate.endpoints.clear();
        rehearsal.endpoints.clear();
    });
    assert_eq!(class, VerdictClass::Undecided);
    insta::assert_snapshot!(sentence, @"No verdict on “pricing”: none of 0 endpoints has response times of both the monolith and the split. To get one, record requests that are answered (`splitcost show` lists those that failed).");
}

/// Checks the verdict on a split that was not rehearsed, if such a share of an endpoint's requests fails.
#[track_caller]
fn check_failing(share: f64, expected: VerdictClass) -> String {
    let mut split = fixture::shop().splits.remove(0);
    split.rehearsal = None;
    split.estimate.endpoints[0].timed_out_share = share;
    split.comparison = compare(&split.estimate, None, &split.usd_per_month);
    let verdict = judge(&split);
    assert_eq!(verdict.class, expected, "{}", verdict.sentence);
    verdict.sentence
}

#[test]
fn a_split_that_fails_requests_is_advised_against() {
    check_failing(0.009, VerdictClass::Cheap);
    let sentence = check_failing(0.25, VerdictClass::Prohibitive);
    insta::assert_snapshot!(sentence, @"billing as its own service fails 25 % of the requests of GET /products, as calls between services take longer than their timeout (predicted): do not split here with this timeout (`calls` in the settings of the split).");
}

#[test]
fn a_blocking_call_is_the_remedy_where_nothing_can_be_batched() {
    let (_, sentence) = verdict_on(|estimate, _| {
        for call in &mut estimate.calls {
            call.calls_per_request = call.calls_per_request.min(1.0);
        }
    });
    insta::assert_snapshot!(sentence, @"pricing as its own service makes GET /users/{user_id}/orders 6.6× slower at the median (12.1 → 80.2 ms, measured), needs 0.8 more cores at 60 requests/s, saturates at 44.8 instead of 130 requests/s and has 3 call sites that cannot cross as they are: do not split here before shop.pricing:quote is awaited (it blocks the event loop).");
}

#[test]
fn an_endpoint_that_few_use_decides_nothing() {
    let (class, _) = verdict_on(|estimate, rehearsal| {
        only_response_times(estimate, rehearsal);
        let rare = "GET /users/{user_id}/orders";
        for endpoint in estimate.endpoints.iter_mut().filter(|endpoint| endpoint.name == rare) {
            endpoint.requests = 10;
        }
        for endpoint in rehearsal.endpoints.iter_mut().filter(|endpoint| endpoint.name != rare) {
            endpoint.response.split.clone_from(&endpoint.response.monolith);
        }
    });
    assert_eq!(class, VerdictClass::Cheap);
}

/// Checks the verdict if nothing but the high percentiles grow, tenfold, with so many measured requests per endpoint.
#[track_caller]
fn check_tail(requests: u64, is_p99_claimed: bool, expected: VerdictClass) {
    let (class, sentence) = verdict_on(|estimate, rehearsal| {
        only_response_times(estimate, rehearsal);
        for endpoint in &mut rehearsal.endpoints {
            endpoint.requests = splitcost_model::estimate::Arms { monolith: 2 * requests, split: requests };
            endpoint.response.split.clone_from(&endpoint.response.monolith);
            for times in endpoint.response.split.iter_mut().chain(&mut endpoint.response.monolith) {
                times.p99_ms = times.p99_ms.filter(|_| is_p99_claimed);
            }
            if let Some(times) = &mut endpoint.response.split {
                times.p90_ms = times.p90_ms.scale(10.0);
                times.p99_ms = times.p99_ms.map(|p99| p99.scale(10.0));
            }
        }
    });
    assert_eq!(class, expected, "{sentence}");
}

#[test]
fn a_tail_of_few_requests_decides_nothing() {
    check_tail(5_000, true, VerdictClass::Prohibitive);
    // Where the 99th percentile is not claimed, the 90th decides.
    check_tail(500, false, VerdictClass::Prohibitive);
    check_tail(499, false, VerdictClass::Cheap);
}

#[test]
fn a_name_cannot_break_out_of_the_page() {
    let page = html::render(&fixture::crowded());
    assert!(!page.contains("</script><b>"));
    assert!(page.contains("&lt;/<wbr>script&gt;&lt;b&gt;&amp;&quot;&#39;"));
    let start = page.find("id=\"study\">").map(|i| i + "id=\"study\">".len()).unwrap();
    let length = page[start..].find("</script>").unwrap();
    let read: serde_json::Value = serde_json::from_str(&page[start..start + length]).unwrap();
    let whole = serde_json::to_string(&fixture::crowded()).unwrap();
    assert_eq!(read, serde_json::from_str::<serde_json::Value>(&whole).unwrap());
}

#[test]
fn every_part_may_be_missing() {
    for study in [fixture::estimated(), Study::default()] {
        let page = html::render(&study);
        assert!(page.ends_with("</html>\n"));
    }
    let bare = Study { splits: vec![SplitStudy::default()], ..Study::default() };
    assert!(html::render(&bare).contains("No endpoint was predicted or measured."));
    assert!(screen(&bare).contains("requests/s. Ratios"), "{}", screen(&bare));
}

#[test]
fn numbers_have_three_digits() {
    let check = |value: f64, expected: &str| assert_eq!(number::number(value), expected);
    check(0.0, "0");
    check(-0.5, "-0.500");
    check(9.999, "10.0");
    check(99.96, "100");
    check(999.6, "1,000");
    check(1_234_567.8, "1,234,568");
    check(0.000_001_234, "0.000001");
    check(f64::INFINITY, "–");
}
