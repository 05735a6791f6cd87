//! The costs of a crossing, fitted to the rounds of a calibration.

use splitcost_model::calibration::{CROWDED_CALLERS, ClientMode, HandlerMode, Linear, Pace, Point, Round};
use splitcost_model::statistics::{Interval, median};

/// The costs of a call as lines through the calibrated points, one per way of calling and answering.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CostModel {
    costs: Vec<((ClientMode, HandlerMode), CallCost)>,
}

/// The costs of one way of calling and answering.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallCost {
    /// The CPU time of the caller.
    pub client: Linear,
    /// The CPU time of the server.
    pub server: Linear,
    /// The wall time of a lone call that neither side's CPU explains, both directions together.
    pub unexplained: Linear,
    /// The extra costs of the first call after a long idle time: client, server, unexplained; nanoseconds.
    pub cold_nanos: [f64; 3],
    /// The extra costs of the calls that follow it.
    pub burst_nanos: [f64; 3],
    /// The extra costs of a call beside very many others: client, server. They are negative where an event loop serves
    /// several calls at once.
    pub crowded_nanos: [f64; 2],
    /// The extra time for which a caller beside others holds the GIL, or for which the next thread wakes up for it.
    pub held_nanos: f64,
    /// The extra costs of a call between other work of the caller.
    pub around: Amid,
    /// The extra costs of a call whose function works itself.
    pub inside: Amid,
    /// The extra costs of each value of a call that changes its arguments: client, server, unexplained; nanoseconds.
    pub changed_nanos_per_node: [f64; 3],
}

/// The extra costs of a call by the amount of work around it, or inside of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amid {
    /// The CPU time of the work and the extra client's CPU, server's CPU and unexplained time; nanoseconds, in ascending order.
    points: [(f64, [f64; 3]); 2],
}

impl Amid {
    /// Returns the extra client's CPU, server's CPU and unexplained time; nanoseconds. Between the measured amounts of work, and
    /// from none on, they are interpolated; beyond the largest one they grow no more.
    pub fn nanos(&self, work_nanos: f64) -> [f64; 3] {
        let mut before = (0.0, [0.0; 3]);
        for point in self.points {
            if work_nanos < point.0 {
                let share = (work_nanos - before.0) / (point.0 - before.0);
                return [0, 1, 2].map(|i| before.1[i] + (point.1[i] - before.1[i]) * share);
            }
            before = point;
        }
        before.1
    }

    /// Finds the extra costs of the calls amid work; `None` where none were measured.
    fn fit(
        rounds: &[&Round],
        (client, handler, pace): (ClientMode, HandlerMode, Pace),
        yardstick_nanos: f64,
        values: [&dyn Fn(&Point) -> f64; 3],
    ) -> Option<Self> {
        let mut points = [Default::default(); 2];
        for (nth, fitted) in points.iter_mut().enumerate() {
            let of = |pace, nth, value: &dyn Fn(&Point) -> f64| {
                // In ascending order of payload, and of work.
                let is_of_cell = |p: &&Point| (p.client, p.handler, p.pace) == (client, handler, pace);
                median(rounds.iter().filter_map(|round| {
                    let point = round.points.iter().filter(is_of_cell).nth(nth)?;
                    Some(value(point) / slowness(round.yardstick_nanos, yardstick_nanos))
                }))
            };
            let mut extra = [0.0; 3];
            for (extra, value) in extra.iter_mut().zip(values) {
                *extra = of(pace, nth, value)? - of(Pace::Spaced, 0, value)?;
            }
            *fitted = (of(pace, nth, &|point| point.work_nanos)?, extra);
        }
        Some(Self { points })
    }
}

impl CostModel {
    /// Fits lines to the calls at the recorded gaps, and the extra costs of cold and of crowded calls. Times are brought to
    /// the speed at which the yardstick costs `yardstick_nanos`.
    pub fn fit(rounds: &[&Round], yardstick_nanos: f64) -> Self {
        let values: [&dyn Fn(&Point) -> f64; 3] = [&|p| p.client_cpu_nanos, &|p| p.server_cpu_nanos, &|p| {
            (p.wall_nanos - p.client_cpu_nanos - p.server_cpu_nanos).max(0.0)
        }];
        let mut costs = Vec::new();
        for client in [ClientMode::Async, ClientMode::Sync] {
            for handler in [HandlerMode::Async, HandlerMode::Sync] {
                let points = |pace, value| medians(rounds, (client, handler, pace), yardstick_nanos, value);
                let lone = values.map(|value| fit_line(&points(Pace::Spaced, value)));
                let small = |pace, value| points(pace, value).first().copied();
                let beyond = |pace, i: usize| {
                    small(pace, values[i]).map_or(0.0, |(nodes, bytes, nanos)| nanos - lone[i].nanos(nodes, bytes))
                };
                let more = |pace| [0, 1, 2].map(|i| beyond(pace, i));
                let between: &dyn Fn(&Point) -> f64 = &|p| p.wall_nanos;
                let held_nanos = match [values[0], values[1], between].map(|value| small(Pace::Crowded, value)) {
                    // Threads pass the GIL on from call to call, unless the server is what they wait for.
                    [Some(cpu), Some(server), Some(between)] if client == ClientMode::Sync && cpu.2 > server.2 => {
                        between.2 - lone[0].nanos(cpu.0, cpu.1)
                    }
                    _ => beyond(Pace::Crowded, 0),
                };
                let amid = |pace| Amid::fit(rounds, (client, handler, pace), yardstick_nanos, values).unwrap_or_default();
                let tends_to = f64::from(CROWDED_CALLERS) / f64::from(CROWDED_CALLERS - 1);
                let cost = CallCost {
                    client: lone[0],
                    server: lone[1],
                    unexplained: lone[2],
                    cold_nanos: more(Pace::Cold),
                    burst_nanos: more(Pace::Burst),
                    crowded_nanos: [0, 1].map(|i| beyond(Pace::Crowded, i) * tends_to),
                    held_nanos,
                    around: amid(Pace::Around),
                    inside: amid(Pace::Inside),
                    changed_nanos_per_node: [0, 1, 2].map(|i| {
                        let changing = points(Pace::Changing, values[i]);
                        let more = |&(nodes, bytes, nanos): &(f64, f64, f64)| {
                            (nanos - lone[i].nanos(nodes, bytes)).max(0.0) / nodes
                        };
                        changing.first().map(more).unwrap_or_default()
                    }),
                };
                costs.push(((client, handler), cost));
            }
        }
        Self { costs }
    }

    /// Returns the costs of one way of calling and answering.
    pub fn get(&self, client: ClientMode, handler: HandlerMode) -> CallCost {
        self.costs.iter().find(|(key, _)| *key == (client, handler)).map(|(_, cost)| *cost).unwrap_or_default()
    }
}

/// Returns how many times longer work takes at one yardstick than at another; 1 where either is unknown.
pub fn slowness(yardstick_nanos: f64, reference_nanos: f64) -> f64 {
    if yardstick_nanos > 0.0 && reference_nanos > 0.0 { yardstick_nanos / reference_nanos } else { 1.0 }
}

/// Returns the CPU time of both sides and the wall time of an awaited small call, in microseconds, which characterize a
/// stack.
pub fn small_call_micros(rounds: &[Round]) -> Option<(Interval, Interval)> {
    let smallest = |round: &Round| {
        round
            .points
            .iter()
            .filter(|p| (p.client, p.handler, p.pace) == (ClientMode::Async, HandlerMode::Async, Pace::Spaced))
            .min_by(|a, b| a.bytes.total_cmp(&b.bytes))
            .map(|p| ((p.client_cpu_nanos + p.server_cpu_nanos) / 1e3, p.wall_nanos / 1e3))
    };
    let (cpu, wall): (Vec<f64>, Vec<f64>) = rounds.iter().filter_map(smallest).unzip();
    Some((Interval::of(&cpu)?, Interval::of(&wall)?))
}

/// Returns (nodes, bytes, median over the rounds) per payload.
fn medians(
    rounds: &[&Round],
    cell: (ClientMode, HandlerMode, Pace),
    yardstick_nanos: f64,
    value: &dyn Fn(&Point) -> f64,
) -> Vec<(f64, f64, f64)> {
    let mut payloads: Vec<((f64, f64), Vec<f64>)> = Vec::new();
    for round in rounds {
        let slowness = slowness(round.yardstick_nanos, yardstick_nanos);
        for point in round.points.iter().filter(|p| (p.client, p.handler, p.pace) == cell) {
            let key = (point.nodes, point.bytes);
            let value = value(point) / slowness;
            match payloads.iter_mut().find(|(k, _)| *k == key) {
                Some((_, values)) => values.push(value),
                None => payloads.push((key, vec![value])),
            }
        }
    }
    payloads.into_iter().filter_map(|((nodes, bytes), values)| Some((nodes, bytes, median(values)?))).collect()
}

/// Fits a line by least squares of relative errors with no negative coefficient, over every subset of the three terms.
///
/// # Source
/// Lawson & Hanson (1974), non-negative least squares: the optimum is the unconstrained optimum of some subset.
fn fit_line(points: &[(f64, f64, f64)]) -> Linear {
    let mut best = (f64::INFINITY, [0.0; 3]);
    for subset in 1_u32..8 {
        let used: Vec<usize> = (0..3).filter(|i| subset >> i & 1 == 1).collect();
        let Some(solution) = solve(points, &used) else { continue };
        let mut coefficients = [0.0; 3];
        for (&term, &value) in used.iter().zip(&solution) {
            coefficients[term] = value;
        }
        let error: f64 = points
            .iter()
            .map(|&(nodes, bytes, y)| {
                let predicted = coefficients[0] + coefficients[1] * nodes + coefficients[2] * bytes;
                ((predicted - y) / y.max(1.0)).powi(2)
            })
            .sum();
        // A term must earn its place: equal errors keep the smaller subset, which comes first.
        if coefficients.iter().all(|&c| c >= 0.0) && error < best.0 * 0.999 {
            best = (error, coefficients);
        }
    }
    let [fixed_nanos, nanos_per_node, nanos_per_byte] = best.1;
    Linear { fixed_nanos, nanos_per_node, nanos_per_byte }
}

/// Solves the weighted normal equations of the used terms by Gaussian elimination; `None` when they are singular.
fn solve(points: &[(f64, f64, f64)], used: &[usize]) -> Option<Vec<f64>> {
    let n = used.len();
    if points.len() < n {
        return None;
    }
    let mut rows = vec![vec![0.0; n + 1]; n];
    for &(nodes, bytes, y) in points {
        let weight = 1.0 / y.max(1.0).powi(2);
        let terms = [1.0, nodes, bytes];
        for i in 0..n {
            for j in 0..n {
                rows[i][j] += weight * terms[used[i]] * terms[used[j]];
            }
            rows[i][n] += weight * terms[used[i]] * y;
        }
    }
    for i in 0..n {
        let scale = rows[i][i];
        if scale.abs() < 1e-300 {
            return None;
        }
        for value in &mut rows[i] {
            *value /= scale;
        }
        let pivot = rows[i].clone();
        for (j, row) in rows.iter_mut().enumerate() {
            if j != i {
                let factor = row[i];
                for (value, p) in row.iter_mut().zip(&pivot) {
                    *value -= factor * p;
                }
            }
        }
    }
    let solution: Vec<f64> = rows.iter().map(|row| row[n]).collect();
    solution.iter().all(|x| x.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(points: &[(f64, f64, f64)], expected: [f64; 3]) {
        let line = fit_line(points);
        for (got, want) in [line.fixed_nanos, line.nanos_per_node, line.nanos_per_byte].iter().zip(expected) {
            assert!((got - want).abs() <= 1e-6 * want.max(1.0), "{line:?} is not {expected:?}");
        }
    }

    #[test]
    fn a_line_is_found_again() {
        let line = |n: f64, b: f64| (n, b, 500.0 + 3.0 * n + 0.25 * b);
        check(&[line(1.0, 10.0), line(5.0, 100.0), line(50.0, 300.0), line(9.0, 9000.0)], [500.0, 3.0, 0.25]);
    }

    #[test]
    fn no_cost_is_negative() {
        check(&[(1.0, 100.0, 900.0), (1.0, 200.0, 900.0), (1.0, 300.0, 900.0)], [900.0, 0.0, 0.0]);
        let falling = fit_line(&[(1.0, 100.0, 1000.0), (2.0, 200.0, 900.0), (3.0, 300.0, 800.0)]);
        assert!(falling.nanos_per_node >= 0.0 && falling.nanos_per_byte >= 0.0);
    }

    #[test]
    fn calls_amid_work_cost_what_they_did_in_the_calibration() {
        let call = |pace, work_nanos, nanos| Point {
            pace,
            work_nanos,
            client_cpu_nanos: nanos,
            server_cpu_nanos: 2.0 * nanos,
            wall_nanos: 5.0 * nanos,
            ..Point::default()
        };
        let points = vec![
            call(Pace::Spaced, 0.0, 100.0),
            call(Pace::Around, 1_000.0, 140.0),
            call(Pace::Around, 3_000.0, 160.0),
            call(Pace::Inside, 1_000.0, 100.0),
            call(Pace::Inside, 3_000.0, 200.0),
        ];
        let round = Round { points, yardstick_nanos: 0.0 };
        let cost = CostModel::fit(&[&round, &round], 0.0).get(ClientMode::Async, HandlerMode::Async);
        let around = [0.0, 500.0, 1_000.0, 2_000.0, 3_000.0, 9_000.0].map(|work| cost.around.nanos(work));
        assert_eq!(around.map(|[client, _, _]| client), [0.0, 20.0, 40.0, 50.0, 60.0, 60.0]);
        assert_eq!(around[4], [60.0, 120.0, 120.0]);
        assert_eq!(cost.inside.nanos(2_000.0), [50.0, 100.0, 100.0]);
        let other = CostModel::fit(&[&round], 0.0).get(ClientMode::Sync, HandlerMode::Sync);
        assert_eq!(other.around.nanos(3_000.0), [0.0; 3], "nothing was measured");
    }

    #[test]
    fn no_points_cost_nothing() {
        check(&[], [0.0, 0.0, 0.0]);
    }
}
