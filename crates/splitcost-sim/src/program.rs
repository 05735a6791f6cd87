//! What a request does, compiled for the engine: bodies of operations, and crossings between processes.

use splitcost_model::link::Delay;
use splitcost_model::policy::{CallPolicy, Fault};

/// Index of a [`Body`] in [`Program::bodies`].
pub type BodyId = u32;
/// Index into the scenario's table of crossing costs.
pub type CrossingId = u32;

/// One request, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Which endpoint it counts for.
    pub endpoint: u32,
    /// How the front process is entered: the server's own work around the request.
    pub entry: Remote,
    /// What runs; every other place refers to these.
    pub bodies: Vec<Body>,
}

/// A sequence that runs on one event-loop task or one thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// In order.
    pub ops: Vec<Op>,
}

/// One step of a body. Durations are whole nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Computes: needs the process's GIL and a core.
    Cpu(u64),
    /// The thread waits with the GIL released (synchronous IO); an event loop stands still meanwhile.
    Block(u64),
    /// The task is suspended: a helper thread of the process computes `cpu`, then `delay` passes.
    Wait {
        /// Computed elsewhere in the same process.
        cpu: u64,
        /// Passes after that.
        delay: u64,
    },
    /// Begins a child that runs beside this body.
    Fork {
        /// What it runs.
        body: BodyId,
        /// On the process's thread pool instead of its event loop.
        thread: bool,
        /// Whether a later [`Op::Join`] waits for it.
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
    /// Where its costs stand.
    pub crossing: CrossingId,
    /// The answering process.
    pub process: u16,
    /// What it runs there.
    pub body: BodyId,
    /// The caller's thread waits for the answer; an event loop stands still meanwhile.
    pub blocking: bool,
    /// The server runs the body on its thread pool.
    pub pooled: bool,
}

/// What one crossing costs, beside the work behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// CPU on the caller's side, half before sending, half after receiving.
    pub client: Cpu,
    /// CPU on the answering side, half before the work, half after.
    pub server: Cpu,
    /// Passes in each direction, beside what the link takes; nanoseconds.
    pub one_way_nanos: u64,
    /// Where its link stands in [`Network::links`]; beyond them, there is none.
    pub link: u16,
    /// Packets of a message in each direction, which can be lost.
    pub packets: u32,
}

/// What lies between the processes, how they call each other, and what goes wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// Links, each between two processes.
    pub links: Vec<Link>,
    /// How processes call each other; connections are [`Process::connections`].
    pub calls: CallPolicy,
    /// After which the load generator gives up a request; `None` never.
    pub patience_nanos: Option<u64>,
    /// What goes wrong with every process but the load generator and the one behind it, from when to when.
    pub fault: Option<(Fault, u64, u64)>,
}

/// A link between two processes.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Under way in each direction.
    pub delay: Delay,
    /// How much of a delay's deviation the next one of its direction keeps.
    pub correlation: f64,
    /// Share of packets that are lost.
    pub loss: f64,
    /// CPU time of the mesh's proxy beside each of the two, for a message.
    pub proxy_nanos: Option<u64>,
    /// What the proxies add to each direction where CPU is plenty.
    pub proxy_delay: Delay,
}

/// What one side of a crossing takes; nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// CPU time with the process to itself: so long the GIL is held.
    pub nanos: u64,
    /// How long the GIL is held, or reserved for a thread that wakes up for it, when other threads want it.
    pub held_nanos: u64,
    /// CPU time when very many other threads want the GIL, or other tasks the event loop.
    pub crowded_nanos: u64,
}

impl Cpu {
    /// The same whatever goes on beside.
    pub const fn of(nanos: u64) -> Self {
        Self { nanos, held_nanos: nanos, crowded_nanos: nanos }
    }
}

/// What it adds to a body's CPU time when very many other threads want the GIL; shares of that time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Crowding {
    /// The GIL is held for so much longer.
    pub held: f64,
    /// So much is computed beside that; negative when the GIL is held idly.
    pub beside: f64,
}

/// The processes and the hosts they share.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Cores of each host.
    pub host_cores: Vec<u32>,
    /// The processes; index 0 drives the load.
    pub processes: Vec<Process>,
    /// How long a thread waits for the GIL before its holder must hand it over; nanoseconds.
    pub switch_interval_nanos: u64,
    /// How long a thread keeps a core that others wait for; nanoseconds.
    pub core_slice_nanos: u64,
}

/// A process: one event loop, one thread pool, one GIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The host whose cores it uses.
    pub host: u16,
    /// Threads of its pool.
    pub pool_threads: u32,
    /// Connections that it keeps to each other process; a call beyond waits for one.
    pub connections: u32,
}

impl Machine {
    /// `sys.getswitchinterval()`.
    ///
    /// Spec: `CPython`'s `DEFAULT_INTERVAL`, 5,000 µs.
    pub const SWITCH_INTERVAL_NANOS: u64 = 5_000_000;
    /// The scheduler's base slice.
    ///
    /// Spec: Linux EEVDF, `sysctl_sched_base_slice` 0.7 ms × (1 + log2 of the CPUs), here 2 CPUs.
    pub const CORE_SLICE_NANOS: u64 = 1_400_000;
    /// Threads that `anyio` gives `def` routes.
    ///
    /// Spec: anyio's default `CapacityLimiter`, 40.
    pub const POOL_THREADS: u32 = 40;

    /// One host on which every process runs, with the usual constants.
    pub fn one_host(cores: u32, processes: usize) -> Self {
        Self {
            host_cores: vec![cores],
            processes: vec![Process { host: 0, pool_threads: Self::POOL_THREADS, connections: u32::MAX }; processes],
            switch_interval_nanos: Self::SWITCH_INTERVAL_NANOS,
            core_slice_nanos: Self::CORE_SLICE_NANOS,
        }
    }
}
