//! The costs of a crossing, fitted to the rounds of a calibration.

use splitcost_model::calibration::{BURST_CALLS, CROWDED_CALLERS, ClientMode, HandlerMode, Linear, Pace, Point, Round};
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
    /// The extra costs of the first calls that follow it.
    pub burst_nanos: [f64; 3],
    /// The extra costs of those that follow these.
    pub settled_nanos: [f64; 3],
    /// The extra costs of a call beside very many others, by the work around each: client, server, and the time for which the
    /// caller holds the GIL, or for which the next thread wakes up for it. They are negative where an event loop serves several
    /// calls at once.
    pub crowded: Amid,
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
    /// The CPU time of the work and the costs, mostly client's CPU, server's CPU and unexplained time; nanoseconds, in ascending
    /// order.
    points: [(f64, [f64; 3]); 2],
}

impl Amid {
    /// Returns the costs in nanoseconds. Between the measured amounts of work, and from none on, they are interpolated; beyond the
    /// largest one they grow no more.
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
}

impl CallCost {
    /// Returns the extra costs of the call of this number, from zero on, that a request makes to a service that was idle.
    pub fn after_idle(&self, nth: u32) -> [f64; 3] {
        match nth {
            0 => self.cold_nanos,
            1..BURST_CALLS => self.burst_nanos,
            _ => self.settled_nanos,
        }
    }
}

impl CostModel {
    /// Fits lines to the calls at the recorded gaps, and the extra costs of all others. Times are brought to the speed at which
    /// the yardstick costs `yardstick_nanos`.
    pub fn fit(rounds: &[&Round], yardstick_nanos: f64) -> Self {
        let mut costs = Vec::new();
        for client in [ClientMode::Async, ClientMode::Sync] {
            for handler in [HandlerMode::Async, HandlerMode::Sync] {
                let calls = Calls { rounds, client, handler, yardstick_nanos };
                costs.push(((client, handler), calls.fit()));
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

/// A value of a measurement.
type Value = fn(&Point) -> f64;

/// The measured parts of a call: client's CPU, server's CPU, and the wall time that neither explains; nanoseconds.
const PARTS: [Value; 3] = [
    |p| p.client_cpu_nanos,
    |p| p.server_cpu_nanos,
    |p| (p.wall_nanos - p.client_cpu_nanos - p.server_cpu_nanos).max(0.0),
];

/// The measured calls of one way of calling and answering.
struct Calls<'a> {
    rounds: &'a [&'a Round],
    client: ClientMode,
    handler: HandlerMode,
    yardstick_nanos: f64,
}

impl Calls<'_> {
    fn fit(&self) -> CallCost {
        let lone = PARTS.map(|part| fit_line(&self.payloads(part)));
        let beyond = |pace| PARTS.map(|part| self.beyond(pace, 0, part).unwrap_or_default());
        CallCost {
            client: lone[0],
            server: lone[1],
            unexplained: lone[2],
            cold_nanos: beyond(Pace::Cold),
            burst_nanos: beyond(Pace::Burst),
            settled_nanos: beyond(Pace::Settled),
            crowded: self.crowded().unwrap_or_default(),
            around: self.amid(Pace::Around).unwrap_or_default(),
            inside: self.amid(Pace::Inside).unwrap_or_default(),
            changed_nanos_per_node: [0, 1, 2].map(|i| {
                let of = |value| self.median(Pace::Changing, 0, value);
                let more = |nodes, bytes, nanos: f64| (nanos - lone[i].nanos(nodes, bytes)).max(0.0) / nodes;
                let values = of(|p| p.nodes).zip(of(|p| p.bytes)).zip(of(PARTS[i]));
                values.map(|((nodes, bytes), nanos)| more(nodes, bytes, nanos)).unwrap_or_default()
            }),
        }
    }

    /// Returns the points of a pace in one round, in ascending order of payload, then of work.
    fn points<'b>(&self, round: &'b Round, pace: Pace) -> impl Iterator<Item = &'b Point> {
        let cell = (self.client, self.handler, pace);
        round.points.iter().filter(move |p| (p.client, p.handler, p.pace) == cell)
    }

    /// Returns the median of a value over the rounds; `None` where it was not measured.
    fn median(&self, pace: Pace, nth: usize, value: Value) -> Option<f64> {
        median(self.rounds.iter().filter_map(|round| {
            let point = self.points(round, pace).nth(nth)?;
            Some(value(point) / slowness(round.yardstick_nanos, self.yardstick_nanos))
        }))
    }

    /// Returns what a small call costs more than a lone one.
    fn beyond(&self, pace: Pace, nth: usize, value: Value) -> Option<f64> {
        Some(self.median(pace, nth, value)? - self.median(Pace::Spaced, 0, value)?)
    }

    /// Returns (nodes, bytes, median over the rounds) of lone calls per payload.
    fn payloads(&self, value: Value) -> Vec<(f64, f64, f64)> {
        let Some(first) = self.rounds.first() else { return Vec::new() };
        let sizes = self.points(first, Pace::Spaced).map(|point| (point.nodes, point.bytes)).enumerate();
        let found =
            sizes.filter_map(|(nth, (nodes, bytes))| Some((nodes, bytes, self.median(Pace::Spaced, nth, value)?)));
        found.collect()
    }

    /// Returns the extra costs of calls amid work.
    fn amid(&self, pace: Pace) -> Option<Amid> {
        let mut points = [Default::default(); 2];
        for (nth, fitted) in points.iter_mut().enumerate() {
            let mut extra = [0.0; 3];
            for (extra, part) in extra.iter_mut().zip(PARTS) {
                *extra = self.beyond(pace, nth, part)?;
            }
            *fitted = (self.median(pace, nth, |point| point.work_nanos)?, extra);
        }
        Some(Amid { points })
    }

    /// Returns what calls beside others cost more than lone calls with as much work around them.
    fn crowded(&self) -> Option<Amid> {
        let tends_to = f64::from(CROWDED_CALLERS) / f64::from(CROWDED_CALLERS - 1);
        let mut points = [Default::default(); 2];
        for (nth, fitted) in points.iter_mut().enumerate() {
            // The larger amount of work around lone calls, too; or none.
            let alone = if nth == 0 { (Pace::Spaced, 0) } else { (Pace::Around, 1) };
            let alone = |value| self.median(alone.0, alone.1, value);
            let crowded = |value| self.median(Pace::Crowded, nth, value);
            let [client, server, between] = [PARTS[0], PARTS[1], |p| p.wall_nanos].map(crowded);
            let (client, server, between) = (client?, server?, between?);
            let (alone_client, alone_server) = (alone(PARTS[0])?, alone(PARTS[1])?);
            // Threads pass the GIL on from call to call, unless the server is what they wait for.
            let passes_on = self.client == ClientMode::Sync && client > server;
            let held = if passes_on { between } else { client } - alone_client;
            let work_nanos = self.median(Pace::Crowded, nth, |point| point.work_nanos)?;
            *fitted = (work_nanos, [(client - alone_client) * tends_to, (server - alone_server) * tends_to, held]);
        }
        Some(Amid { points })
    }
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

    #[track_caller]
    fn check_costs<const N: usize>(costs: [f64; N], expected: [f64; N]) {
        let off = costs.iter().zip(&expected).map(|(cost, expected)| (cost - expected).abs()).fold(0.0, f64::max);
        assert!(off < 1e-9, "{costs:?} is not {expected:?}");
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
        check_costs(around.map(|[client, _, _]| client), [0.0, 20.0, 40.0, 50.0, 60.0, 60.0]);
        check_costs(around[4], [60.0, 120.0, 120.0]);
        check_costs(cost.inside.nanos(2_000.0), [50.0, 100.0, 100.0]);
        let other = CostModel::fit(&[&round], 0.0).get(ClientMode::Sync, HandlerMode::Sync);
        // Nothing was measured.
        check_costs(other.around.nanos(3_000.0), [0.0; 3]);
    }

    #[test]
    fn calls_beside_others_and_changing_calls_cost_what_they_did_in_the_calibration() {
        let call = |pace, work_nanos, client, between| Point {
            client: ClientMode::Sync,
            handler: HandlerMode::Sync,
            pace,
            work_nanos,
            nodes: 10.0,
            bytes: 100.0,
            client_cpu_nanos: client,
            server_cpu_nanos: 100.0,
            wall_nanos: between,
            ..Point::default()
        };
        let points = vec![
            call(Pace::Spaced, 0.0, 300.0, 400.0),
            call(Pace::Crowded, 0.0, 450.0, 500.0),
            call(Pace::Crowded, 1_000.0, 800.0, 900.0),
            call(Pace::Around, 200.0, 400.0, 500.0),
            call(Pace::Around, 1_000.0, 500.0, 600.0),
            call(Pace::Changing, 0.0, 340.0, 440.0),
        ];
        let round = Round { points, yardstick_nanos: 0.0 };
        let cost = CostModel::fit(&[&round], 0.0).get(ClientMode::Sync, HandlerMode::Sync);
        // Lone calls with as much work around them cost 300 and 500.
        check_costs(cost.crowded.nanos(0.0), [160.0, 0.0, 200.0]);
        check_costs(cost.crowded.nanos(1_000.0), [320.0, 0.0, 400.0]);
        check_costs(cost.crowded.nanos(500.0), [240.0, 0.0, 300.0]);
        check_costs(cost.changed_nanos_per_node, [4.0, 0.0, 0.0]);
    }

    #[test]
    fn the_first_calls_after_an_idle_time_cost_more_than_those_that_follow() {
        let call = |pace, nanos| Point { pace, client_cpu_nanos: nanos, ..Point::default() };
        let points = vec![
            call(Pace::Spaced, 100.0),
            call(Pace::Cold, 300.0),
            call(Pace::Burst, 150.0),
            call(Pace::Settled, 120.0),
        ];
        let round = Round { points, yardstick_nanos: 0.0 };
        let cost = CostModel::fit(&[&round], 0.0).get(ClientMode::Async, HandlerMode::Async);
        let client = [0, 1, BURST_CALLS - 1, BURST_CALLS, 1_000].map(|nth| cost.after_idle(nth)[0]);
        check_costs(client, [200.0, 50.0, 50.0, 20.0, 20.0]);
    }

    #[test]
    fn no_points_cost_nothing() {
        check(&[], [0.0, 0.0, 0.0]);
    }
}
