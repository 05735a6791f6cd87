//! The interfaces of a split as text and as code; the code is read by the tools that would read it.

use serde_json::Value;
use splitcost_model::boundary::{Local, Readiness};
use splitcost_model::database::{CutTransaction, Owner, Ownership, ServiceTables, Site};
use splitcost_model::recording::PayloadClass;
use splitcost_model::recording::interface::{
    EnvironmentRead, InterfaceCaller, InterfaceFunction, InterfaceKind, InterfaceTable, Interfaces, Plan, PlanStep,
    PlanWork, ServiceInterface, SharedFunction,
};
use splitcost_model::recording::shape::{Field, Handle, Model, Shape};
use splitcost_model::recording::tables::TableAccess;
use splitcost_report::interface;

fn field(name: &str, shape: Shape) -> Field {
    Field { name: name.into(), shape, is_required: true }
}

fn site(file: &str, line: u32) -> Site {
    Site { file: format!("/srv/app/{file}"), line }
}

fn model(name: &str, fields: Vec<Field>) -> Shape {
    Shape::Model(Model { type_name: name.into(), fields })
}

fn list(of: Shape) -> Shape {
    Shape::List(Box::new(of))
}

fn caller() -> InterfaceCaller {
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
fn pricing() -> ServiceInterface {
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
        environment: Some(vec![EnvironmentRead {
            variable: "SHOP_TAX".into(),
            module: "shop.pricing".into(),
            site: site("shop/pricing/service.py", 3),
        }]),
    }
}

fn interfaces() -> Interfaces {
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

#[test]
fn the_interfaces_are_read_on_a_terminal() {
    let mut interfaces = interfaces();
    interfaces.services[1].functions.truncate(1);
    insta::assert_snapshot!(interface::render(&interfaces, 100), @"
    The split pricing, as recorded in 1,234 requests. Rates are per request of any endpoint.

    # Service main: shop.main, shop.orders
    No other service calls it.

    # Service pricing: shop.pricing, shop.inventory
    Other services call 1 function: 2.14 calls and 974 bytes per request.

    shop.pricing:quote(request: PriceRequest, on: datetime = …) -> Decimal
      function; 2.14 calls per request, 974 bytes
      ready
      raises shop.pricing.errors:UnknownCoupon
      called by shop.orders:read in main at orders/service.py:41, orders/service.py:43: 2.14 per
          request; 24.1 in GET /users/{user_id}/orders

    Types in arguments and results
      PriceRequest(product_id: int, tier: Tier, date: None | date, notes: list[str] | None)

    Code that other services need too: its calls never cross
    function                           calls  reason
    shop.pricing.models:Money.rounded    3.5  a method of a value, which runs where the value is

    Tables (statements and rows of its modules per request)
    table    owner                            reads  writes  rows  shared with
    product  pricing: shop.pricing (mapping)   1.25       0     0  main

    Variables of the environment that its modules read
      SHOP_TAX at pricing/service.py:3

    Transactions that write tables of several services
    endpoint      per request  tables                            writes at
    POST /orders            1  main: orders; pricing: stockitem  orders/service.py:224
    ");
}

#[test]
fn a_plan_is_read_on_a_terminal() {
    let step = |work, function: &str, readiness| PlanStep {
        work,
        service: "pricing".into(),
        function: function.into(),
        readiness,
        calls_per_request: 2.14,
        bytes_per_request: Some(973.7),
        sites: vec![site("shop/orders/service.py", 41)],
        ..PlanStep::default()
    };
    let steps = vec![
        step(PlanWork::Nothing, "shop.pricing:quote", Readiness::Ready),
        PlanStep {
            caller: Some(caller()),
            batched_calls_per_request: Some(0.178),
            ..step(PlanWork::Batch, "shop.pricing:quote", Readiness::Ready)
        },
        PlanStep {
            reason: Some("arguments.each is a callback".into()),
            ..step(PlanWork::Rewrite, "shop.pricing:walk", Readiness::Rewrite)
        },
    ];
    let plan = Plan { split: "pricing".into(), requests: 1_234, steps };
    insta::assert_snapshot!(interface::render_plan(&plan, 100), @"
    The split pricing, as recorded in 1,234 requests. Rates are per request of any endpoint.

    Crosses as it is: 2.14 calls per request
      shop.pricing:quote (pricing): 2.14 calls, 974 bytes

    Batch: called many times by one caller: 2.14 calls per request
      shop.pricing:quote (pricing): 2.14 calls, 974 bytes; 0.178 calls if batched
        shop.orders:read calls it 12.0 times, at most 40
        at orders/service.py:41

    Rewrite: 2.14 calls per request
      shop.pricing:walk (pricing): 2.14 calls, 974 bytes
        rewrite: arguments.each is a callback
        at orders/service.py:41
    ");
}

#[test]
fn the_models_name_what_python_cannot() {
    let python = interface::pydantic(&interfaces(), &pricing());
    for line in [
        "class PriceRequest(pydantic.BaseModel):",
        "    tier: typing.Annotated[str | int, \"a member of shop.users:Tier\"]",
        "    date: None | datetime.date",
        "    on: datetime.datetime | None = None",
        "    class_: list[list[int]] = pydantic.Field(alias=\"class\")",
        "    class__: tuple[int, list[PriceRequest]] = pydantic.Field(alias=\"class_\")",
        "    private: dict[typing.Any, list[int | str]] = pydantic.Field(alias=\"_private\")",
        "class QuoteResult(pydantic.RootModel[decimal.Decimal]):",
        "class RulesQuoteResult(pydantic.RootModel[list[PriceRequest | None]]):",
        "    # session is not sent: the callee obtains it for itself (sqlalchemy.orm:Session)",
    ] {
        assert!(python.lines().any(|written| written == line), "{line} is not in:\n{python}");
    }
}

#[test]
fn the_proto_compiles() {
    let dir = std::env::temp_dir().join(format!("splitcost-report-proto-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let proto = interface::proto(&interfaces(), &pricing());
    std::fs::write(dir.join("pricing.proto"), &proto).unwrap();
    let compiled = protox::compile(["pricing.proto"], [&dir]);
    std::fs::remove_dir_all(&dir).unwrap();
    let files = compiled.unwrap_or_else(|error| panic!("{error}\n{proto}")).file;
    let file = files.iter().find(|file| file.name() == "pricing.proto").unwrap();
    let calls: Vec<String> = file.service[0]
        .method
        .iter()
        .map(|call| format!("{}({}) {}", call.name(), call.input_type(), call.output_type()))
        .collect();
    assert_eq!(
        calls,
        [
            "Quote(.pricing.QuoteArguments) .pricing.QuoteResult",
            "RulesQuote(.pricing.RulesQuoteArguments) .pricing.RulesQuoteResult",
            "TaxesQuote(.pricing.TaxesQuoteArguments) .google.protobuf.Empty",
            "Rows(.pricing.RowsArguments) .pricing.RowsResult",
            "Node(.pricing.NodeArguments) .pricing.Node",
        ]
    );
    assert!(file.service[0].method[3].server_streaming());
    // In the scope of the service, `Node` is the call.
    assert!(proto.contains("rpc Node(NodeArguments) returns (.pricing.Node);"), "{proto}");
}

#[test]
fn the_openapi_document_has_schemas_that_accept_what_was_recorded() {
    let document: Value = serde_json::from_str(&interface::openapi(&interfaces(), &pricing())).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let quote = &document["paths"]["/shop.pricing/quote"]["post"];
    assert_eq!(quote["operationId"], "Quote");
    assert_eq!(quote["responses"]["default"]["description"], "The function raised shop.pricing.errors:UnknownCoupon.");
    // The document is a schema itself, so that references into it can be resolved.
    let accepts = |schema: &str, value: &Value| {
        let mut root = document.clone();
        root["$ref"] = format!("#/components/schemas/{schema}").into();
        jsonschema::draft202012::new(&root).unwrap().is_valid(value)
    };
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        accepts(name, &Value::Null);
    }
    let request = serde_json::json!({ "product_id": 1, "tier": "gold", "date": null, "notes": ["a"] });
    assert!(accepts("QuoteArguments", &serde_json::json!({ "request": request })));
    assert!(!accepts("QuoteArguments", &serde_json::json!({ "on": "2026-01-01T00:00:00Z" })));
    assert!(accepts("Node", &serde_json::json!({ "next": { "next": null } })));
}
