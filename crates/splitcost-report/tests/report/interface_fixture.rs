//! A made-up interface, with a function for each trouble of a format.

use splitcost_model::boundary::{Local, Readiness};
use splitcost_model::database::{CutTransaction, Owner, Ownership, ServiceTables, Site};
use splitcost_model::recording::PayloadClass;
use splitcost_model::recording::interface::{
    InterfaceCaller, InterfaceFunction, InterfaceKind, InterfaceTable, Interfaces, ServiceInterface, SettingKind,
    SettingRead, SharedFunction,
};
use splitcost_model::recording::shape::{Field, Handle, Model, Shape};
use splitcost_model::recording::tables::TableAccess;

pub(crate) fn field(name: &str, shape: Shape) -> Field {
    Field { name: name.into(), shape, is_required: true }
}

pub(crate) fn site(file: &str, line: u32) -> Site {
    Site { file: format!("/srv/app/{file}"), line }
}

pub(crate) fn model(name: &str, fields: Vec<Field>) -> Shape {
    Shape::Model(Model { type_name: name.into(), fields })
}

pub(crate) fn list(of: Shape) -> Shape {
    Shape::List(Box::new(of))
}

pub(crate) fn caller() -> InterfaceCaller {
    InterfaceCaller {
        service: "main".into(),
        caller: "shop.orders:read".into(),
        sites: vec![site("shop/orders/service.py", 41), site("shop/orders/service.py", 43)],
        calls_per_request: 2.14,
        endpoint: "GET /users/{user_id}/orders".into(),
        calls_per_request_of_endpoint: 24.1,
        calls_per_caller: 12.0,
        calls_per_caller_max: 40,
    }
}

/// A service with a function for each trouble of a format.
pub(crate) fn pricing() -> ServiceInterface {
    let request = model(
        "shop.pricing.models:PriceRequest",
        vec![
            field("product_id", Shape::Int),
            field("tier", Shape::Enum("shop.users:Tier".into())),
            field("date", Shape::Any(vec![Shape::None, Shape::Date])),
            field("notes", Shape::Any(vec![list(Shape::Str), Shape::None])),
        ],
    );
    let session = Shape::Handle(Handle { type_name: "sqlalchemy.orm:Session".into(), class: PayloadClass::Resource });
    let quote = InterfaceFunction {
        function: "shop.pricing:quote".into(),
        defined: site("shop/pricing/service.py", 7),
        arguments: vec![
            field("request", request.clone()),
            Field { name: "on".into(), shape: Shape::Datetime, is_required: false },
        ],
        result: Some(Shape::Decimal),
        exceptions: vec!["shop.pricing.errors:UnknownCoupon".into()],
        samples: 1,
        calls_per_request: 2.14,
        bytes_per_call: Some(455.0),
        bytes_per_request: Some(973.7),
        callers: vec![caller()],
        ..InterfaceFunction::default()
    };
    let odd = InterfaceFunction {
        function: "shop.pricing:Rules.quote".into(),
        kind: InterfaceKind::Method,
        readiness: Readiness::Rewrite,
        reason: Some("arguments.session is a live resource".into()),
        arguments: vec![
            field("session", session),
            field("class", list(list(Shape::Int))),
            field("class_", Shape::Tuple(vec![Shape::Int, list(request.clone())])),
            field("_private", Shape::Map(Box::new(list(Shape::Any(vec![Shape::Int, Shape::Str]))))),
            field("user-id", Shape::Any(vec![Shape::Int, Shape::Str, list(Shape::Uuid)])),
            field("userId", Shape::None),
            field("user_id", Shape::Unknown),
            field("sizes", Shape::Set(Box::new(Shape::Float))),
            field("options", Shape::Dict(vec![field("list", list(Shape::Bytes)), field("é", Shape::Bool)])),
            field("none", Shape::Dict(Vec::new())),
            field("how", Shape::Class("shop:Line".into())),
            field("took", Shape::Timedelta),
        ],
        result: Some(list(Shape::Any(vec![request, Shape::None]))),
        samples: 1,
        calls_per_request: 0.5,
        ..InterfaceFunction::default()
    };
    let node = model(
        "shop.tree:Node",
        vec![field("next", Shape::Any(vec![model("shop.tree:Node", vec![field("next", Shape::None)]), Shape::None]))],
    );
    let other = |name: &str, kind, result| InterfaceFunction {
        function: name.into(),
        kind,
        result,
        calls_per_request: 0.1,
        ..InterfaceFunction::default()
    };
    ServiceInterface {
        service: "pricing".into(),
        modules: vec!["shop.pricing".into(), "shop.inventory".into()],
        calls_per_request: 2.94,
        bytes_per_request: 973.7,
        added_ms_per_request: None,
        functions: vec![
            quote,
            odd,
            other("shop.taxes:quote", InterfaceKind::Coroutine, Some(Shape::None)),
            other("shop.taxes:rows", InterfaceKind::Generator, None),
            // A call and a message of one name.
            other("shop.tree:node", InterfaceKind::Function, Some(node)),
        ],
        shared_code: vec![SharedFunction {
            function: "shop.pricing.models:Money.rounded".into(),
            reason: Local::ValueMethod,
            calls_per_request: 3.5,
        }],
        tables: vec![InterfaceTable {
            table: "product".into(),
            owned_by: Some("pricing".into()),
            owner: Some(Owner { module: "shop.pricing".into(), by: Ownership::Mapping }),
            accesses: vec![TableAccess {
                module: "shop.pricing".into(),
                reads_per_request: 1.25,
                ..TableAccess::default()
            }],
            shared_with: vec!["main".into()],
        }],
        settings: Some(vec![SettingRead {
            kind: SettingKind::Environment,
            name: "SHOP_TAX".into(),
            module: "shop.pricing".into(),
            site: site("shop/pricing/service.py", 3),
        }]),
    }
}

pub(crate) fn interfaces() -> Interfaces {
    let main = ServiceInterface {
        service: "main".into(),
        modules: vec!["shop.main".into(), "shop.orders".into()],
        ..ServiceInterface::default()
    };
    let owner = |service: &str, table: &str| ServiceTables { service: service.into(), tables: vec![table.into()] };
    Interfaces {
        split: "pricing".into(),
        requests: 1_234,
        services: vec![main, pricing()],
        cut_joins: Vec::new(),
        cut_transactions: vec![CutTransaction {
            endpoint: "POST /orders".into(),
            owners: vec![owner("main", "orders"), owner("pricing", "stockitem")],
            transactions_per_request: 1.0,
            sites: vec![site("shop/orders/service.py", 224)],
        }],
    }
}
