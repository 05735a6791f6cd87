//! The words of the log as those of recordings.

use splitcost_model::recording::statement::{ConnectionWorkKind, Dialect};
use splitcost_model::recording::{FunctionKind, Makes, Obstacle, PayloadClass, Receiver, ReceiverKind, Via};

use crate::log::{
    ConnectionWorkCode, DialectCode, FunctionKindCode, LoggedReceiver, MakesCode, PayloadClassCode, ReceiverKindCode,
    ViaCode,
};

impl From<ConnectionWorkCode> for ConnectionWorkKind {
    fn from(code: ConnectionWorkCode) -> Self {
        match code {
            ConnectionWorkCode::Use => Self::Use,
            ConnectionWorkCode::Commit => Self::Commit,
        }
    }
}

impl From<DialectCode> for Dialect {
    fn from(code: DialectCode) -> Self {
        match code {
            DialectCode::Sqlite => Self::Sqlite,
            DialectCode::Postgresql => Self::Postgresql,
            DialectCode::Mysql => Self::Mysql,
            DialectCode::Redis => Self::Redis,
        }
    }
}

impl From<FunctionKindCode> for FunctionKind {
    fn from(code: FunctionKindCode) -> Self {
        match code {
            FunctionKindCode::Plain => Self::Plain,
            FunctionKindCode::Coroutine => Self::Coroutine,
            FunctionKindCode::Generator => Self::Generator,
            FunctionKindCode::AsyncGenerator => Self::AsyncGenerator,
        }
    }
}

impl From<ViaCode> for Via {
    fn from(code: ViaCode) -> Self {
        match code {
            ViaCode::Inline => Self::Inline,
            ViaCode::Task => Self::Task,
            ViaCode::Thread => Self::Thread,
        }
    }
}

impl From<MakesCode> for Makes {
    fn from(code: MakesCode) -> Self {
        match code {
            MakesCode::Awaitable => Self::Awaitable,
            MakesCode::Call => Self::Call,
        }
    }
}

impl From<PayloadClassCode> for PayloadClass {
    fn from(code: PayloadClassCode) -> Self {
        match code {
            PayloadClassCode::Plain => Self::Plain,
            PayloadClassCode::Adapter => Self::Adapter,
            PayloadClassCode::Value => Self::Value,
            PayloadClassCode::Mutated => Self::Mutated,
            PayloadClassCode::Generator => Self::Generator,
            PayloadClassCode::Resource => Self::Resource,
            PayloadClassCode::Named => Self::Named,
            PayloadClassCode::Carried => Self::Carried,
            PayloadClassCode::Service => Self::Service,
            PayloadClassCode::ContextManager => Self::ContextManager,
            PayloadClassCode::Reference => Self::Reference,
            PayloadClassCode::Callback => Self::Callback,
            PayloadClassCode::Live => Self::Live,
        }
    }
}

pub(super) fn obstacle((class, path): (PayloadClassCode, String)) -> Obstacle {
    Obstacle { class: PayloadClass::from(class), path }
}

impl From<LoggedReceiver> for Receiver {
    fn from(logged: LoggedReceiver) -> Self {
        let LoggedReceiver { kind, type_name, place, encoded_bytes, nodes, reason, obstacles } = logged;
        let kind = match kind {
            ReceiverKindCode::Class => ReceiverKind::Class,
            ReceiverKindCode::Value => ReceiverKind::Value,
            ReceiverKindCode::Service => ReceiverKind::Service,
            ReceiverKindCode::Reference => ReceiverKind::Reference,
            ReceiverKindCode::Extension => ReceiverKind::Extension,
        };
        let place = (!place.is_empty()).then_some(place);
        let obstacles = obstacles.into_iter().map(obstacle).collect();
        Self { kind, type_name, place, encoded_bytes, nodes, reason, obstacles }
    }
}
