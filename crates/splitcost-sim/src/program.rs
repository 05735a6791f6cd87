//! A request compiled for the engine: bodies of operations, and crossings between processes.

use splitcost_model::link::Delay;
use splitcost_model::policy::{CallPolicy, Fault};
use splitcost_model::recording::limit::ServerLimits;

/// Index of a [`Body`] in [`Program::bodies`].
pub type BodyId = u32;
/// Index into the scenario's table of crossing costs.
pub type CrossingId = u32;

/// One request, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The number of its endpoint.
    pub endpoint: u32,
    /// The entry into the front process, with the server's own work around the request.
    pub entry: Remote,
    /// The bodies, to which operations refer by index.
    pub bodies: Vec<Body>,
}

/// A sequence that runs on one event-loop task or one thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// The operations, in order.
    pub ops: Vec<Op>,
}

/// One step of a body. Durations are whole nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Computes, on a core: partly with the process's GIL, partly without it, by [`Run::free_share`].
    ///
    /// [`Run::free_share`]: crate::engine::Run::free_share
    Cpu(u64),
    /// The thread waits with the GIL released (synchronous IO); an event loop stands still meanwhile.
    Block(u64),
    /// The task is suspended: a helper thread of the process computes `cpu`, then `delay` passes.
    Wait {
        /// The CPU time that a helper thread of the same process computes.
        cpu: u64,
        /// The time that passes after that.
        delay: u64,
    },
    /// Begins a child that runs beside this body.
    Fork {
        /// The body that the child runs.
        body: BodyId,
        /// The child runs on a thread of the process's pool instead of its event loop.
        thread: bool,
        /// A later [`Op::Join`] waits for it.
        joined: bool,
    },
    /// Waits until every joined child begun so far has ended.
    Join,
    /// Calls a function that lives in another process.
    Remote(Remote),
}

/// A call into another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The index of its costs.
    pub crossing: CrossingId,
    /// The process that answers.
    pub process: u16,
    /// The body that runs there.
    pub body: BodyId,
    /// The caller's thread waits for the answer; an event loop stands still meanwhile.
    pub blocking: bool,
    /// The server runs the body on a thread: of a WSGI server, which does all its work there, or of those that answer calls.
    pub pooled: bool,
}

/// The costs of one crossing, without the work of the function that is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// CPU on the caller's side, half before sending, half after receiving.
    pub client: Cpu,
    /// CPU on the answering side, half before the work, half after.
    pub server: Cpu,
    /// The time that passes in each direction in addition to that of the link; nanoseconds.
    pub one_way_nanos: u64,
    /// The index of its link in [`Network::links`]; an index beyond them means no link.
    pub link: u16,
    /// The packets of a message in each direction. Each can be lost.
    pub packets: u32,
}

/// The links between the processes, the policy by which they call each other, and a fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// The links, each between two processes.
    pub links: Vec<LinkTiming>,
    /// The policy of calls. The number of connections is [`Process::connections`].
    pub calls: CallPolicy,
    /// The time after which the load generator gives up a request; `None` means never.
    pub patience_nanos: Option<u64>,
    /// A fault of every process except the load generator and the front, with its begin and its end.
    pub fault: Option<(Fault, u64, u64)>,
}

/// The times that a link between two processes takes, at the speed of the engine. The link itself is
/// [`Link`](splitcost_model::link::Link).
#[derive(Clone, Debug, PartialEq)]
pub struct LinkTiming {
    /// The one-way delay of each direction.
    pub delay: Delay,
    /// The share of a delay's deviation that the next delay of its direction keeps.
    pub correlation: f64,
    /// The share of packets that are lost.
    pub loss: f64,
    /// The CPU time for a message of the mesh's proxy at each end; `None` without a mesh.
    pub proxy_nanos: Option<u64>,
    /// The delay that the proxies add to each direction when no message queues for them.
    pub proxy_delay: Delay,
}

/// The CPU time of one side of a crossing; nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// The CPU time when nothing else runs in the process. The GIL is held for as long.
    pub nanos: u64,
    /// The time for which the GIL is held, or reserved for a thread that is waking up, when other threads want it.
    pub held_nanos: u64,
    /// The CPU time when very many other threads want the GIL, or other tasks the event loop.
    pub crowded_nanos: u64,
}

impl Cpu {
    /// Returns a CPU time that contention does not change.
    pub const fn of(nanos: u64) -> Self {
        Self { nanos, held_nanos: nanos, crowded_nanos: nanos }
    }
}

/// The extra CPU time of a body when very many other threads want the GIL, as shares of its CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Crowding {
    /// The extra time for which the GIL is held.
    pub held: f64,
    /// The extra CPU time beside that, which occupies no core; negative when the GIL is held idly.
    pub beside: f64,
}

/// The processes and the hosts they share.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The number of cores of each host.
    pub host_cores: Vec<u32>,
    /// The processes; index 0 drives the load.
    pub processes: Vec<Process>,
    /// The time for which a thread waits for the GIL before its holder must hand it over; nanoseconds.
    pub switch_interval_nanos: u64,
    /// The time for which a thread keeps a core that others wait for; nanoseconds.
    pub core_slice_nanos: u64,
}

/// A service: processes that are alike, each with one event loop, three pools of threads, and one GIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The host whose cores it uses.
    pub host: u16,
    /// The number of processes. A request or a call goes to the one that has the fewest of them.
    pub workers: u32,
    /// The number of threads of each on which a WSGI server runs requests.
    pub server_threads: u32,
    /// The number of threads of each to which bodies hand calls over.
    pub pool_threads: u32,
    /// The number of threads of each that answer calls of other services.
    pub call_threads: u32,
    /// The number of connections that each keeps to each other service. A call beyond them waits for one.
    pub connections: u32,
}

impl Process {
    /// Returns a service of one process on a host, with the usual numbers of threads.
    pub fn on(host: u16) -> Self {
        Self {
            host,
            workers: 1,
            server_threads: ServerLimits::USUAL_THREADS,
            pool_threads: ServerLimits::USUAL_THREADS,
            call_threads: Machine::CALL_THREADS,
            connections: u32::MAX,
        }
    }
}

impl Machine {
    /// The switch interval, `sys.getswitchinterval()`.
    ///
    /// Spec: `CPython`'s `DEFAULT_INTERVAL`, 5,000 µs.
    pub const SWITCH_INTERVAL_NANOS: u64 = 5_000_000;
    /// The scheduler's base slice on one core.
    ///
    /// Spec: Linux, `sysctl_sched_base_slice` of `kernel/sched/fair.c`, 0.70 ms; 0.75 ms in the first kernels with EEVDF.
    pub const BASE_SLICE_NANOS: u64 = 700_000;
    /// The number of threads on which a service answers calls of other services.
    ///
    /// Spec: `POOL_THREADS` of a rehearsal's services (`python/splitcost/rehearsal/server.py`).
    pub const CALL_THREADS: u32 = 40;

    /// Returns the time for which a thread keeps a core that others wait for, on a host with `cores` cores; nanoseconds.
    ///
    /// # Source
    /// Linux, `get_update_sysctl_factor` of `kernel/sched/fair.c`, with the default `SCHED_TUNABLESCALING_LOG`: the base slice
    /// times 1 + log2 of the CPUs that are online, rounded down, of which no more than 8 count.
    pub fn core_slice_nanos(cores: u32) -> u64 {
        Self::BASE_SLICE_NANOS * u64::from(1 + cores.clamp(1, 8).ilog2())
    }

    /// Returns one host on which every process runs, with the usual constants.
    pub fn one_host(cores: u32, processes: usize) -> Self {
        Self {
            host_cores: vec![cores],
            processes: vec![Process::on(0); processes],
            switch_interval_nanos: Self::SWITCH_INTERVAL_NANOS,
            core_slice_nanos: Self::core_slice_nanos(cores),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slice_grows_with_the_logarithm_of_the_cores_up_to_eight() {
        let micros = |cores| Machine::one_host(cores, 1).core_slice_nanos / 1_000;
        assert_eq!([1, 2, 3, 4, 8, 64].map(micros), [700, 1_400, 1_400, 2_100, 2_800, 2_800]);
    }
}
