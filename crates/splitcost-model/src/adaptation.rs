//! The treatment, in a rehearsal, of values that are more than data: what goes along, and what keeps a call in its caller.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recording::{Obstacle, PayloadClass, Receiver, ReceiverKind};
use crate::split::is_within;

/// The settings of a split about values that are more than data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adaptation {
    /// Type of a resource, as `sqlalchemy.orm.Session` → `module:attribute` by which a callee obtains its own.
    pub adapt: BTreeMap<String, String>,
    /// The classes, as `shop.cart:Cart`, whose objects stay where they are, or [`Self::AUTO`].
    pub by_reference: Vec<String>,
    /// Changes that a callee makes to its arguments go back to the caller.
    pub send_back: bool,
    /// The most items of an iterator in one message.
    pub batch: u32,
}

impl Default for Adaptation {
    fn default() -> Self {
        Self { adapt: BTreeMap::new(), by_reference: Vec::new(), send_back: true, batch: Self::BATCH }
    }
}

impl Adaptation {
    /// In place of classes: all that the recording shows to be needed.
    pub const AUTO: &'static str = "auto";
    /// The usual number of items in one message.
    ///
    /// Chosen: a page of rows; a message of them costs little more than one of a single row.
    pub const BATCH: u32 = 100;

    /// Returns true if a value that an argument holds can go along.
    pub fn takes_argument(&self, obstacle: &Obstacle) -> bool {
        match obstacle.class {
            PayloadClass::Generator | PayloadClass::ContextManager => false,
            _ => self.takes(obstacle),
        }
    }

    /// Returns true if a value that a result holds can go along. An iterator and a context manager stay, if they are all of it.
    pub fn takes_result(&self, obstacle: &Obstacle) -> bool {
        let is_all = obstacle.path.split(' ').next() == Some("result");
        match obstacle.class {
            PayloadClass::Generator | PayloadClass::ContextManager => is_all,
            // The caller has asked for the callee's own.
            PayloadClass::Resource => is_known(&BY_NAME, type_of(obstacle)),
            _ => self.takes(obstacle),
        }
    }

    /// Returns true if a value is a session or a connection to a database, also one that goes by its name.
    pub fn is_of_database(obstacle: &Obstacle) -> bool {
        matches!(obstacle.class, PayloadClass::Resource | PayloadClass::Named)
            && is_known(&OF_DATABASES, type_of(obstacle))
    }

    /// Returns true if a method can be called elsewhere: its object has a name there, or its fields go along.
    pub fn takes_receiver(&self, receiver: &Receiver) -> bool {
        match receiver.kind {
            ReceiverKind::Class => receiver.place.is_some(),
            ReceiverKind::Extension | ReceiverKind::Value => true,
            ReceiverKind::Service | ReceiverKind::Reference => {
                let goes = receiver.place.is_some() || self.is_by_reference(&receiver.type_name);
                // That no field is in the way leaves one reason to stay: the call changes it.
                let changes_go_back = self.send_back || receiver.kind == ReceiverKind::Service;
                goes || changes_go_back && receiver.obstacles.iter().all(|obstacle| self.takes_argument(obstacle))
            }
        }
    }

    fn takes(&self, obstacle: &Obstacle) -> bool {
        match obstacle.class {
            PayloadClass::Plain | PayloadClass::Adapter | PayloadClass::Named | PayloadClass::Carried => true,
            PayloadClass::Mutated => self.send_back,
            PayloadClass::Resource => self.is_obtained(type_of(obstacle)),
            PayloadClass::Service | PayloadClass::Reference => self.is_by_reference(type_of(obstacle)),
            PayloadClass::Value
            | PayloadClass::Generator
            | PayloadClass::ContextManager
            | PayloadClass::Callback
            | PayloadClass::Live => false,
        }
    }

    /// Returns true if objects of a type, as `shop.cart.Cart`, stay where they are while a handle crosses.
    fn is_by_reference(&self, type_name: &str) -> bool {
        self.by_reference.iter().any(|class| class == Self::AUTO || class.replace(':', ".") == type_name)
    }

    /// Returns true if a callee obtains a resource of this type for itself.
    fn is_obtained(&self, type_name: &str) -> bool {
        self.adapt.keys().any(|known| is_same_class(known, type_name))
            || [&BY_NAME[..], &OF_DATABASES, &CLIENTS, &REQUESTS].into_iter().any(|known| is_known(known, type_name))
    }
}

/// The package of a type, and the end of its name.
type Known = (&'static str, &'static str);

/// Resources that go by a name of their own. As in `splitcost.rehearsal.resources`, like the following.
const BY_NAME: [Known; 2] = [("logging", "Logger"), ("logging", "LoggerAdapter")];

/// Resources of which the callee makes its own without a setting.
const OF_DATABASES: [Known; 7] = [
    ("sqlalchemy", "Session"),
    ("sqlalchemy", "scoped_session"),
    ("sqlalchemy", "Connection"),
    ("sqlalchemy", "Engine"),
    ("sqlalchemy", "sessionmaker"),
    ("sqlmodel", "Session"),
    ("flask_sqlalchemy", "Session"),
];

/// Clients of which the callee makes its own, with the same settings.
const CLIENTS: [Known; 4] =
    [("redis", ".Redis"), ("httpx", "Client"), ("httpx2", "Client"), ("requests.sessions", "Session")];

/// Requests, which cross as what is known of them.
const REQUESTS: [Known; 5] = [
    ("starlette.requests", "Request"),
    ("starlette.requests", "HTTPConnection"),
    ("django", "Request"),
    ("flask", "Request"),
    ("werkzeug.local", "LocalProxy"),
];

fn is_known(known: &[Known], type_name: &str) -> bool {
    known.iter().any(|(package, name)| is_within(type_name, package) && type_name.ends_with(name))
}

/// Returns true if a type of the settings, as `sqlalchemy.orm.Session`, is that of a value, whose module may lie deeper:
/// `sqlalchemy.orm.session.Session`.
fn is_same_class(known: &str, type_name: &str) -> bool {
    let (known_package, known_name) = known.rsplit_once(['.', ':']).unwrap_or(("", known));
    let (module, name) = type_name.rsplit_once('.').unwrap_or(("", type_name));
    known_name == name && is_within(module, known_package)
}

/// Returns the type in the path of an obstacle, as `shop.cart.Cart` in `arguments.cart (shop.cart.Cart)`.
pub(crate) fn type_of(obstacle: &Obstacle) -> &str {
    obstacle.path.rsplit_once(" (").map_or("", |(_, kind)| kind.trim_end_matches(')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obstacle(class: PayloadClass, path: &str) -> Obstacle {
        Obstacle { class, path: path.into() }
    }

    #[test]
    fn a_value_goes_along_by_its_class_and_by_the_settings() {
        let usual = Adaptation::default();
        let strict = Adaptation { send_back: false, ..Adaptation::default() };
        let settings = Adaptation {
            adapt: BTreeMap::from([("sqlalchemy.orm.Session".to_owned(), "shop.db:Session".to_owned())]),
            by_reference: vec!["shop.cart:Cart".into()],
            ..Adaptation::default()
        };
        let table = [
            (&usual, PayloadClass::Named, "arguments.clock (shop.Clock)", true),
            (&usual, PayloadClass::Carried, "arguments.orders (shop.Orders)", true),
            (&usual, PayloadClass::Mutated, "arguments.lines (list)", true),
            (&strict, PayloadClass::Mutated, "arguments.lines (list)", false),
            (&usual, PayloadClass::Resource, "arguments.log (logging.Logger)", true),
            (&usual, PayloadClass::Resource, "arguments.pool (asyncpg.pool.Pool)", false),
            (&settings, PayloadClass::Resource, "arguments.session (sqlalchemy.orm.session.Session)", true),
            (&settings, PayloadClass::Resource, "arguments.session (sqlalchemy.orm.session.SessionTransaction)", false),
            (&usual, PayloadClass::Reference, "arguments.cart (shop.cart.Cart)", false),
            (&settings, PayloadClass::Reference, "arguments.cart (shop.cart.Cart)", true),
            (&settings, PayloadClass::Reference, "arguments.cart (shop.cart.Basket)", false),
            (&settings, PayloadClass::Live, "arguments.lock (_thread.lock)", false),
            (&settings, PayloadClass::Generator, "arguments.items (generator)", false),
        ];
        for (adaptation, class, path, goes) in table {
            assert_eq!(adaptation.takes_argument(&obstacle(class, path)), goes, "{class:?} {path}");
        }
    }

    #[test]
    fn an_iterator_stays_only_as_the_whole_result() {
        let takes = |path| Adaptation::default().takes_result(&obstacle(PayloadClass::Generator, path));
        assert!(takes("result (generator)"));
        assert!(!takes("result.rows (generator)"));
    }

    #[test]
    fn a_method_is_called_elsewhere_if_its_object_has_a_name_or_its_fields_go_along() {
        let receiver = |kind, place: Option<&str>, field: Option<PayloadClass>| Receiver {
            kind,
            place: place.map(str::to_owned),
            obstacles: field.map(|class| obstacle(class, ".field (shop.Part)")).into_iter().collect(),
            ..Receiver::default()
        };
        let takes = |receiver| Adaptation::default().takes_receiver(&receiver);
        assert!(takes(receiver(ReceiverKind::Service, Some("shop:till"), Some(PayloadClass::Live))));
        assert!(takes(receiver(ReceiverKind::Service, None, Some(PayloadClass::Named))));
        assert!(!takes(receiver(ReceiverKind::Service, None, Some(PayloadClass::Live))));
        let changed = receiver(ReceiverKind::Reference, None, None);
        assert!(takes(changed.clone()));
        assert!(!Adaptation { send_back: false, ..Adaptation::default() }.takes_receiver(&changed));
    }
}
