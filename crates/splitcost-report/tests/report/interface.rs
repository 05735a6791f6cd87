//! The interfaces of a split as text and as code; the code is read by the tools that would read it.

use serde_json::Value;
use splitcost_model::boundary::Readiness;
use splitcost_model::recording::interface::{Plan, PlanStep, PlanWork, PricedBy};
use splitcost_report::interface;

use crate::interface_fixture::{caller, interfaces, pricing, site};

#[test]
fn the_interfaces_are_read_on_a_terminal() {
    let mut interfaces = interfaces();
    interfaces.services[1].functions.truncate(1);
    interfaces.services[1].calls_per_request = 2.14;
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

    Settings that its modules read
      SHOP_TAX (variable of the environment) at pricing/service.py:3

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
            added_ms_per_request: Some(26.4),
            added_ms_per_caller: Some(148.0),
            batched_ms_per_request: Some(2.31),
            ..step(PlanWork::Batch, "shop.pricing:quote", Readiness::Ready)
        },
        PlanStep {
            reason: Some("arguments.each is a callback".into()),
            ..step(PlanWork::Rewrite, "shop.pricing:walk", Readiness::Rewrite)
        },
    ];
    let priced_by = PricedBy { stack: "httpx".into(), measured_at: "2026-11-29T20:00:00Z".into() };
    let plan = Plan { split: "pricing".into(), requests: 1_234, priced_by: Some(priced_by), steps };
    insta::assert_snapshot!(interface::render_plan(&plan, 100), @"
    The split pricing, as recorded in 1,234 requests. Rates are per request of any endpoint.
    The prices are the times that calls add, without queueing, by the calibration of httpx at
        2026-11-29T20:00:00Z.

    Crosses as it is: 2.14 calls per request
      shop.pricing:quote (pricing): 2.14 calls, 974 bytes

    Batch: called many times by one caller: 2.14 calls per request, +26.4 ms/request
      shop.pricing:quote (pricing): 2.14 calls, 974 bytes, +26.4 ms/request; if batched, 0.178 calls,
          +2.31 ms/request
        shop.orders:read calls it 12.0 times, at most 40: +148 ms
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
