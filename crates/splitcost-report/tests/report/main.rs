//! The report's texts, as snapshots of made-up evaluations; what a browser shows of the page is tested in
//! `tests/python/report`.

use splitcost_model::evaluation::{Evaluation, SplitEvaluation};
use splitcost_model::statistics::{Interval, Level};
use splitcost_report::text::Style;
use splitcost_report::verdict::{Kind, judge, sentence};
use splitcost_report::{html, number, text};

mod finding;
mod fixture;

fn screen(evaluation: &Evaluation) -> String {
    text::render(evaluation, &Style::default())
}

#[test]
fn a_full_evaluation_fits_a_screen() {
    let screen = screen(&fixture::shop());
    assert!(screen.lines().count() <= 50, "{} lines", screen.lines().count());
    assert!(screen.lines().all(|line| line.chars().count() <= 100));
    insta::assert_snapshot!(screen, @r#"
    billing: httpx, loopback link, 60 requests/s. Response times in ms with 90 % intervals
                             calls p50 mono predicted measured        p99 mono predicted  measured
    POST /orders                 1 18.7 ±4%  20.4 ±9% 20.9 ±6%  1.1× 52.3 ±11% 55.6 ±22% 56.7 ±14%  1.1×
    POST /orders/{order_id}…     1 14.3 ±4%  16.3 ±9% 15.9 ±6%  1.1× 44.1 ±11% 48.4 ±22% 47.5 ±14%  1.1×
    GET /orders/{order_id}       0 5.42 ±4%  5.42 ±9% 5.53 ±6%  1.0× 16.9 ±11% 16.9 ±22% 17.1 ±14%  1.0×
    GET /products/{product_…     0 1.94 ±4%  1.94 ±9% 1.96 ±6%  1.0× 6.71 ±11% 6.71 ±22% 6.76 ±14%  1.0×
    GET /users/{user_id}/or…     0 12.1 ±4%  12.3 ±9% 12.2 ±6%  1.0× 31.2 ±11% 31.6 ±22% 31.4 ±14%  1.0×
    GET /products/{product_…     0 2.31 ±4%  2.33 ±9% 2.31 ±6%  1.0× 8.05 ±11% 8.11 ±22% 8.05 ±14%  1.0×
    GET /reports/sales           0 41.6 ±4%  42.0 ±9% 41.6 ±6%  1.0× 96.4 ±11% 97.1 ±22% 96.4 ±14%  1.0×
    GET /products                0 6.82 ±4%  6.82 ±9% 6.75 ±6% 0.99× 19.4 ±11% 19.4 ±22% 19.3 ±14% 0.99×
    GET /users/{user_id}         0 2.08 ±4%  2.08 ±9% 2.04 ±6% 0.98× 7.30 ±11% 7.30 ±22% 7.20 ±14% 0.99×
    pricing: httpx, same zone link, 60 requests/s. Response times in ms with 90 % intervals
                               calls p50 mono predicted measured       p99 mono predicted  measured
    GET /users/{user_id}/orde…    23 12.1 ±4%  74.1 ±9% 80.2 ±6% 6.6× 31.2 ±11%  143 ±22%  154 ±14% 4.9×
    GET /products                 12 6.82 ±4%  33.4 ±9% 36.1 ±6% 5.3× 19.4 ±11% 72.4 ±22% 77.8 ±14% 4.0×
    GET /reports/sales            40 41.6 ±4%   113 ±9%  103 ±6% 2.5× 96.4 ±11%  212 ±22%  196 ±14% 2.0×
    GET /orders/{order_id}       3.2 5.42 ±4%  11.2 ±9% 11.7 ±6% 2.1× 16.9 ±11% 29.4 ±22% 30.5 ±14% 1.8×
    GET /products/{product_id…     1 1.94 ±4%  3.32 ±9% 3.47 ±6% 1.8× 6.71 ±11% 10.0 ±22% 10.4 ±14% 1.6×
    POST /orders                 4.4 18.7 ±4%  34.2 ±9% 32.5 ±6% 1.7× 52.3 ±11% 82.7 ±22% 79.4 ±14% 1.5×
    GET /products/{product_id}     1 2.31 ±4%  3.74 ±9% 3.65 ±6% 1.6× 8.05 ±11% 11.5 ±22% 11.3 ±14% 1.4×
    POST /orders/{order_id}/i…     2 14.3 ±4%  18.7 ±9% 19.4 ±6% 1.4× 44.1 ±11% 53.7 ±22% 55.2 ±14% 1.3×
    GET /users/{user_id}           0 2.08 ±4%  2.08 ±9% 2.12 ±6% 1.0× 7.30 ±11% 7.30 ±22% 7.40 ±14% 1.0×
    Calls that cause it
      billing  +2.01 ms/request: 1 × shop.billing:create_invoice at shop/orders/service.py:142, POST /o…
      billing  +1.72 ms/request: 1 × shop.billing:authorize at shop/orders/service.py:97, POST /orders
      pricing  +71.2 ms/request: 40 × shop.pricing:historic_price at shop/orders/service.py:311, GET /r…
      pricing  +61.9 ms/request: 23 × shop.pricing:quote at shop/orders/service.py:88, blocks the loop,…
      pricing  +26.6 ms/request: 12 × shop.pricing:quote at shop/catalog/service.py:54, GE… (and 6 more)
    What cannot cross
      pricing  shop/orders/service.py:126 shop.pricing:apply_discounts: arguments.order is changed by t…
      pricing  shop/catalog/service.py:158 shop.pricing:reprice_all: arguments.session is … (and 1 more)
    billing: Costs little
      billing as its own service makes POST /orders 1.1× slower at the median (18.7 → 20.9 ms, measured)
      and saturates as before, at 126 requests/s: worth considering, the boundary costs little (within
      the 90 % intervals, “has its price” is possible too).
      saturation in requests/s 130 → 128 ±6% predicted, 126 ±3% measured; CPU ms/request 7.68 → 7.81 ±4%
      predicted, 7.94 ±3% measured; cores 0.461 → 0.469 ±4% predicted, 0.476 ±3% measured; $/month 15.0
      → 15.2 ±4% predicted, 15.5 ±3% measured
    pricing: Do not split here yet
      pricing as its own service makes GET /users/{user_id}/orders 6.6× slower at the median (12.1 →
      80.2 ms, measured), needs 0.8 more cores at 60 requests/s, saturates at 44.8 instead of 130
      requests/s and has 3 call sites that cannot cross as they are: do not split here before
      shop.pricing:quote is batched (23 calls per request).
      saturation in requests/s 130 → 46.1 ±9% predicted, 44.8 ±5% measured; CPU ms/request 7.68 → 21.4
      ±7% predicted, 20.9 ±4% measured; cores 0.461 → 1.28 ±7% predicted, 1.25 ±4% measured; $/month
      15.0 → 41.7 ±7% predicted, 40.7 ±4% measured
      link main → pricing same zone: asked for 393 µs (p99 1,116), late by 0.400 (p99 8.20)
    ! 14 recorded requests failed (status 400 and above); they are in no response time.
    "#);
}

#[test]
fn a_crowded_evaluation_fits_a_screen_too() {
    let screen = screen(&fixture::crowded());
    assert!(screen.lines().count() <= 50, "{} lines", screen.lines().count());
    assert!(screen.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn a_prediction_alone_says_so() {
    let mut evaluation = fixture::estimated();
    evaluation.splits.remove(0);
    insta::assert_snapshot!(screen(&evaluation), @r#"
    pricing: httpx, same zone link, 60 requests/s. Response times in ms with 90 % intervals, monolith
      simulated
                                     calls p50 mono predicted      p99 mono predicted
    GET /users/{user_id}/orders         23 11.9 ±3%  74.1 ±9% 6.2× 30.0 ±8%  143 ±22% 4.8×
    GET /products                       12 6.68 ±3%  33.4 ±9% 5.0× 18.6 ±8% 72.4 ±22% 3.9×
    GET /reports/sales                  40 40.8 ±3%   113 ±9% 2.8× 92.5 ±8%  212 ±22% 2.3×
    GET /orders/{order_id}             3.2 5.31 ±3%  11.2 ±9% 2.1× 16.2 ±8% 29.4 ±22% 1.8×
    POST /orders                       4.4 18.3 ±3%  34.2 ±9% 1.9× 50.2 ±8% 82.7 ±22% 1.6×
    GET /products/{product_id}/price     1 1.90 ±3%  3.32 ±9% 1.7× 6.44 ±8% 10.0 ±22% 1.6×
    GET /products/{product_id}           1 2.26 ±3%  3.74 ±9% 1.7× 7.73 ±8% 11.5 ±22% 1.5×
    POST /orders/{order_id}/invoice      2 14.0 ±3%  18.7 ±9% 1.3× 42.3 ±8% 53.7 ±22% 1.3×
    GET /users/{user_id}                 0 2.04 ±3%  2.08 ±9% 1.0× 7.01 ±8% 7.30 ±22% 1.0×
    Calls that cause it
      +71.2 ms/request: 40 × shop.pricing:historic_price at shop/orders/service.py:311, GET /reports/sa…
      +61.9 ms/request: 23 × shop.pricing:quote at shop/orders/service.py:88, blocks the loop, GET /use…
      +26.6 ms/request: 12 × shop.pricing:quote at shop/catalog/service.py:54, GET /produc… (and 6 more)
    What cannot cross
      shop/orders/service.py:126 shop.pricing:apply_discounts: arguments.order is changed by the callee…
      shop/catalog/service.py:158 shop.pricing:reprice_all: arguments.session is a live re… (and 1 more)
    pricing: Do not split here yet
      pricing as its own service makes GET /users/{user_id}/orders 6.2× slower at the median (11.9 →
      74.1 ms, predicted), needs 0.8 more cores at 60 requests/s, saturates at 46.1 instead of 131
      requests/s and has 3 call sites that cannot cross as they are: do not split here before
      shop.pricing:quote is batched (23 calls per request).
      saturation in requests/s 131 → 46.1 ±9% predicted; CPU ms/request 7.62 → 21.4 ±7% predicted; cores
      0.457 → 1.28 ±7% predicted; $/month 14.8 → 41.7 ±7% predicted
      link main → pricing same zone: asked for 393 µs (p99 1,116), late by 0.400 (p99 8.20)
    ! 14 recorded requests failed (status 400 and above); they are in no response time.
    "#);
}

#[test]
fn a_rehearsal_alone_says_so() {
    let mut evaluation = fixture::rehearsed();
    evaluation.splits.remove(0);
    insta::assert_snapshot!(screen(&evaluation), @r#"
    pricing: httpx, same zone link, 60 requests/s. Response times in ms with 90 % intervals
                                     calls p50 mono measured       p99 mono  measured
    GET /users/{user_id}/orders         23 12.1 ±4% 80.2 ±6% 6.6× 31.2 ±11%  154 ±14% 4.9×
    GET /products                       12 6.82 ±4% 36.1 ±6% 5.3× 19.4 ±11% 77.8 ±14% 4.0×
    GET /reports/sales                  40 41.6 ±4%  103 ±6% 2.5× 96.4 ±11%  196 ±14% 2.0×
    GET /orders/{order_id}             3.2 5.42 ±4% 11.7 ±6% 2.1× 16.9 ±11% 30.5 ±14% 1.8×
    GET /products/{product_id}/price     1 1.94 ±4% 3.47 ±6% 1.8× 6.71 ±11% 10.4 ±14% 1.6×
    POST /orders                       4.4 18.7 ±4% 32.5 ±6% 1.7× 52.3 ±11% 79.4 ±14% 1.5×
    GET /products/{product_id}           1 2.31 ±4% 3.65 ±6% 1.6× 8.05 ±11% 11.3 ±14% 1.4×
    POST /orders/{order_id}/invoice      2 14.3 ±4% 19.4 ±6% 1.4× 44.1 ±11% 55.2 ±14% 1.3×
    GET /users/{user_id}                 0 2.08 ±4% 2.12 ±6% 1.0× 7.30 ±11% 7.40 ±14% 1.0×
    Calls that cause it
      +71.2 ms/request: 40 × shop.pricing:historic_price at shop/orders/service.py:311, GET /reports/sa…
      +61.9 ms/request: 23 × shop.pricing:quote at shop/orders/service.py:88, blocks the loop, GET /use…
      +26.6 ms/request: 12 × shop.pricing:quote at shop/catalog/service.py:54, GET /produc… (and 6 more)
    What cannot cross
      shop/orders/service.py:126 shop.pricing:apply_discounts: arguments.order is changed by the callee…
      shop/catalog/service.py:158 shop.pricing:reprice_all: arguments.session is a live re… (and 1 more)
    pricing: Do not split here yet
      pricing as its own service makes GET /users/{user_id}/orders 6.6× slower at the median (12.1 →
      80.2 ms, measured), needs 0.8 more cores at 60 requests/s, saturates at 44.8 instead of 130
      requests/s and has 3 call sites that cannot cross as they are: do not split here before
      shop.pricing:quote is batched (23 calls per request).
      saturation in requests/s 130 → 44.8 ±5% measured; CPU ms/request 7.68 → 20.9 ±4% measured; cores
      0.461 → 1.25 ±4% measured; $/month 15.0 → 40.7 ±4% measured
      link main → pricing same zone: asked for 393 µs (p99 1,116), late by 0.400 (p99 8.20)
    ! 14 recorded requests failed (status 400 and above); they are in no response time.
    "#);
}

#[test]
fn nothing_is_said_to_be_nothing() {
    insta::assert_snapshot!(screen(&Evaluation::default()), @"No split was evaluated.");
}

#[test]
fn a_narrow_terminal_gets_the_median_alone() {
    let mut evaluation = fixture::shop();
    evaluation.splits.remove(0);
    let screen = text::render(&evaluation, &Style { color: false, width: 72 });
    assert!(screen.lines().all(|line| line.chars().count() <= 72), "{screen}");
    assert!(screen.contains("p50 mono") && !screen.contains("p99 mono"), "{screen}");
}

#[test]
fn colours_come_only_when_asked_for() {
    let evaluation = fixture::shop();
    assert!(!screen(&evaluation).contains('\x1b'));
    assert!(text::render(&evaluation, &Style { color: true, width: 100 }).contains('\x1b'));
}

/// The chatty split, changed, and what is then said of it.
fn verdict_on(change: impl FnOnce(&mut SplitEvaluation)) -> (Kind, String) {
    let mut split = fixture::shop().splits.remove(1);
    change(&mut split);
    let verdict = judge(&split);
    assert_eq!(verdict.sentence, sentence(&split));
    (verdict.kind, verdict.sentence)
}

#[test]
fn a_chatty_split_is_advised_against() {
    let (kind, sentence) = verdict_on(|_| {});
    assert_eq!(kind, Kind::Prohibitive);
    insta::assert_snapshot!(sentence, @"pricing as its own service makes GET /users/{user_id}/orders 6.6× slower at the median (12.1 → 80.2 ms, measured), needs 0.8 more cores at 60 requests/s, saturates at 44.8 instead of 130 requests/s and has 3 call sites that cannot cross as they are: do not split here before shop.pricing:quote is batched (23 calls per request).");
}

#[test]
fn a_coarse_split_is_worth_considering() {
    let verdict = judge(&fixture::shop().splits[0]);
    assert_eq!(verdict.kind, Kind::Cheap);
    insta::assert_snapshot!(verdict.sentence, @"billing as its own service makes POST /orders 1.1× slower at the median (18.7 → 20.9 ms, measured) and saturates as before, at 126 requests/s: worth considering, the boundary costs little (within the 90 % intervals, “has its price” is possible too).");
}

#[test]
fn a_split_that_lets_more_through_is_a_gain() {
    let mut split = fixture::shop().splits.remove(0);
    split.saturation_reqs_per_sec.measured = Some(Interval::new(Level::NINETY, 190.0, 184.0, 197.0));
    for endpoint in &mut split.endpoints {
        endpoint.measured = endpoint.baseline_measured;
    }
    let verdict = judge(&split);
    assert_eq!(verdict.kind, Kind::Gains);
    insta::assert_snapshot!(verdict.sentence, @"billing as its own service leaves every endpoint about as fast at the median (at worst GET /products: 6.82 → 6.82 ms, measured) and saturates at 190 instead of 130 requests/s: worth considering, for the throughput.");
}

#[test]
fn wide_intervals_allow_no_verdict() {
    let (kind, sentence) = verdict_on(|split| {
        split.saturation_reqs_per_sec = split.baseline_saturation_reqs_per_sec;
        split.cores = split.baseline_cores;
        for endpoint in &mut split.endpoints {
            let before = endpoint.baseline_measured.unwrap_or_default();
            let p50_ms = Interval::new(Level::NINETY, 30.0, 2.0, 400.0);
            endpoint.measured = Some(splitcost_model::evaluation::Quantiles { p50_ms, ..before });
        }
    });
    assert_eq!(kind, Kind::Undecided);
    insta::assert_snapshot!(sentence, @"pricing as its own service makes GET /products/{product_id}/price 15× slower at the median (1.94 → 30.0 ms, measured), saturates as before, at 130 requests/s and has 3 call sites that cannot cross as they are: no verdict, the 90 % intervals reach from “costs little” to “do not split”; rehearse it for longer.");
}

#[test]
fn missing_numbers_allow_no_verdict() {
    let (kind, sentence) = verdict_on(|split| split.endpoints.clear());
    assert_eq!(kind, Kind::Undecided);
    insta::assert_snapshot!(sentence, @"No verdict on “pricing”: no endpoint has response times of both the monolith and the split.");
}

#[test]
fn a_blocking_call_is_the_remedy_where_nothing_can_be_batched() {
    let (_, sentence) = verdict_on(|split| {
        for call in &mut split.calls {
            call.calls_per_request = call.calls_per_request.min(1.0);
        }
    });
    insta::assert_snapshot!(sentence, @"pricing as its own service makes GET /users/{user_id}/orders 6.6× slower at the median (12.1 → 80.2 ms, measured), needs 0.8 more cores at 60 requests/s, saturates at 44.8 instead of 130 requests/s and has 3 call sites that cannot cross as they are: do not split here before shop.pricing:quote is awaited (it blocks the event loop).");
}

#[test]
fn an_endpoint_that_few_use_decides_nothing() {
    let (kind, _) = verdict_on(|split| {
        split.saturation_reqs_per_sec = split.baseline_saturation_reqs_per_sec;
        split.cores = split.baseline_cores;
        for endpoint in &mut split.endpoints {
            if endpoint.name == "GET /users/{user_id}/orders" {
                endpoint.requests = 10;
            } else {
                endpoint.measured = endpoint.baseline_measured;
            }
        }
    });
    assert_eq!(kind, Kind::Cheap);
}

/// The kind of verdict where all that differs is a tenfold p99 of endpoints with so many requests.
#[track_caller]
fn check_tail(requests: u64, expected: Kind) {
    let (kind, _) = verdict_on(|split| {
        split.saturation_reqs_per_sec = split.baseline_saturation_reqs_per_sec;
        split.cores = split.baseline_cores;
        for endpoint in &mut split.endpoints {
            let before = endpoint.baseline_measured.unwrap_or_default();
            let p99_ms = before.p99_ms.scale(10.0);
            endpoint.requests = requests;
            endpoint.measured = Some(splitcost_model::evaluation::Quantiles { p99_ms, ..before });
        }
    });
    assert_eq!(kind, expected);
}

#[test]
fn a_tail_of_few_requests_decides_nothing() {
    check_tail(999, Kind::Cheap);
    check_tail(1_000, Kind::Prohibitive);
}

#[test]
fn a_name_cannot_break_out_of_the_page() {
    let page = html::render(&fixture::crowded());
    assert!(!page.contains("</script><b>"));
    assert!(page.contains("&lt;/<wbr>script&gt;&lt;b&gt;&amp;&quot;&#39;"));
    let start = page.find("id=\"evaluation\">").map(|i| i + "id=\"evaluation\">".len()).unwrap();
    let length = page[start..].find("</script>").unwrap();
    let read: serde_json::Value = serde_json::from_str(&page[start..start + length]).unwrap();
    let whole = serde_json::to_string(&fixture::crowded()).unwrap();
    assert_eq!(read, serde_json::from_str::<serde_json::Value>(&whole).unwrap());
}

#[test]
fn every_part_may_be_missing() {
    for evaluation in [fixture::estimated(), fixture::rehearsed(), Evaluation::default()] {
        let page = html::render(&evaluation);
        assert!(page.ends_with("</html>\n"));
    }
    let bare = Evaluation { splits: vec![SplitEvaluation::default()], ..Evaluation::default() };
    assert!(html::render(&bare).contains("No endpoint was predicted or measured."));
    assert!(screen(&bare).contains("No verdict"));
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
