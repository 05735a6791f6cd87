//! The codes of the wire: enumerations that are one byte in a record.

#[cfg(doc)]
use super::{LoggedReceiver, Record};

/// A code in a record that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCode {
    /// The field that holds the code.
    pub field: &'static str,
    /// The code.
    pub code: u8,
}

/// Defines an enumeration that is one byte in a record, and its names in `read_log` and in tests.
macro_rules! wire_code {
    ($(#[$doc:meta])* $name:ident, $field:literal, { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $code,)+
        }

        impl $name {
            /// Every variant, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the variant's name, spelled as in the recording's tables.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl TryFrom<u8> for $name {
            type Error = UnknownCode;

            fn try_from(code: u8) -> Result<Self, UnknownCode> {
                match code {
                    $($code => Ok(Self::$variant),)+
                    code => Err(UnknownCode { field: $field, code }),
                }
            }
        }
    };
}

wire_code! {
    /// The kind of a function, as a byte of [`Record::Function`].
    FunctionKindCode, "function kind", {
        /// `def`.
        Plain = 0, "plain";
        /// `async def`.
        Coroutine = 1, "coroutine";
        /// `def` with `yield`.
        Generator = 2, "generator";
        /// `async def` with `yield`.
        AsyncGenerator = 3, "async_generator";
    }
}

wire_code! {
    /// The way in which a call was begun, as a byte of [`Record::Enter`].
    ViaCode, "via", {
        /// Called or awaited directly.
        Inline = 0, "inline";
        /// Begun as a task of an event loop.
        Task = 1, "task";
        /// Handed to another thread.
        Thread = 2, "thread";
    }
}

wire_code! {
    /// The work on a connection, as a byte of [`Record::Connection`].
    ConnectionWorkCode, "connection work", {
        /// Opening it or taking it from a pool, and closing it or giving it back.
        Use = 0, "use";
        /// Committing a transaction.
        Commit = 1, "commit";
    }
}

wire_code! {
    /// The work that a result stands for, as a byte of [`Record::Makes`].
    MakesCode, "makes", {
        /// A coroutine or asynchronous generator without a call of its own: the caller awaits it.
        Awaitable = 1, "awaitable";
        /// A coroutine, generator or context manager of another function of the app, whose own call follows.
        Call = 2, "call";
    }
}

wire_code! {
    /// The class of a payload, as a byte of [`Record::Payload`]; a later class needs more work to cross.
    PayloadClassCode, "payload class", {
        /// JSON's own types.
        Plain = 0, "plain";
        /// Data that needs an adapter.
        Adapter = 1, "adapter";
        /// Data that only the app can encode.
        Value = 2, "value";
        /// Data that the callee changed in place.
        Mutated = 3, "mutated";
        /// An iterator.
        Generator = 4, "generator";
        /// A resource of a known kind.
        Resource = 5, "resource";
        /// An object that every process of the app has under the same name.
        Named = 6, "named";
        /// An object that holds resources or other such objects, and else data only: its fields go along.
        Carried = 7, "carried";
        /// Any other object that holds a resource or another such object.
        Service = 8, "service";
        /// A context manager that is made of a generator.
        ContextManager = 9, "context_manager";
        /// Any other object of the app.
        Reference = 10, "reference";
        /// A callable.
        Callback = 11, "callback";
        /// A live resource of another kind.
        Live = 12, "live";
    }
}

wire_code! {
    /// The kind of a [`LoggedReceiver`], as a byte of [`Record::Payload`].
    ReceiverKindCode, "receiver kind", {
        /// A class.
        Class = 0, "class";
        /// Data.
        Value = 1, "value";
        /// A service object.
        Service = 2, "service";
        /// An object that must stay where it is.
        Reference = 3, "reference";
        /// An object or class that extends one of a library, on which the library calls the method.
        Extension = 4, "extension";
    }
}

wire_code! {
    /// The dialect of a statement, as a byte of [`Record::StatementText`].
    DialectCode, "dialect", {
        /// `SQLite`.
        Sqlite = 0, "sqlite";
        /// `PostgreSQL`.
        Postgresql = 1, "postgresql";
        /// `MySQL` and `MariaDB`.
        Mysql = 2, "mysql";
        /// Redis.
        Redis = 3, "redis";
    }
}

wire_code! {
    /// The thing that a [`Record::Limit`] limits, as one of its bytes.
    LimitCode, "limit", {
        /// Processes that take requests.
        Processes = 0, "processes";
        /// Threads of one process on which its server runs requests.
        ServerThreads = 1, "server_threads";
        /// Threads of one process to which requests hand calls over.
        PoolThreads = 2, "pool_threads";
    }
}

wire_code! {
    /// The first byte of each record.
    Tag, "record", {
        /// [`Record::Process`].
        Process = 1, "process";
        /// [`Record::Module`].
        Module = 2, "module";
        /// [`Record::Function`].
        Function = 3, "function";
        /// [`Record::RequestStart`].
        RequestStart = 4, "request_start";
        /// [`Record::RequestEnd`].
        RequestEnd = 5, "request_end";
        /// [`Record::Enter`].
        Enter = 6, "enter";
        /// [`Record::Suspend`].
        Suspend = 7, "suspend";
        /// [`Record::Resume`].
        Resume = 8, "resume";
        /// [`Record::Leave`].
        Leave = 9, "leave";
        /// [`Record::Shape`].
        Shape = 10, "shape";
        /// [`Record::Payload`].
        Payload = 11, "payload";
        /// [`Record::Count`].
        Count = 12, "count";
        /// [`Record::Trouble`].
        Trouble = 13, "trouble";
        /// [`Record::Makes`].
        Makes = 14, "makes";
        /// [`Record::Server`].
        Server = 15, "server";
        /// [`Record::Limit`].
        Limit = 16, "limit";
        /// [`Record::StatementText`].
        StatementText = 20, "statement_text";
        /// [`Record::Site`].
        Site = 21, "site";
        /// [`Record::Statement`].
        Statement = 22, "statement";
        /// [`Record::Rows`].
        Rows = 23, "rows";
        /// [`Record::Table`].
        Table = 24, "table";
        /// [`Record::Uncommitted`].
        Uncommitted = 25, "uncommitted";
        /// [`Record::Connection`].
        Connection = 26, "connection";
    }
}
