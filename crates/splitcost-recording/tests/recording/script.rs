//! Logs written down briefly.

use splitcost_recording::log::{ConnectionWorkCode, DialectCode, FunctionKindCode, PayloadClassCode, Record, ViaCode};

/// A log in the making.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) records: Vec<Record>,
}

/// Functions of [`Script::shop`].
pub(crate) const ROOT: u32 = 0;
pub(crate) const ORDERS: u32 = 1;
pub(crate) const PRICING: u32 = 2;
pub(crate) const STOCK: u32 = 3;

impl Script {
    /// The definitions of a small shop; ids are shifted by `shift`, as they differ between processes.
    pub(crate) fn shop(shift: u32) -> Self {
        let module = |id: u32, name: &str| Record::Module { id, name: name.to_owned() };
        let function = |id: u32, module: u32, qualname: &str, kind: FunctionKindCode| Record::Function {
            id: id + shift,
            module,
            qualname: qualname.to_owned(),
            file: format!("shop/{module}.py"),
            line: 10 + id,
            kind,
            is_unnamed: false,
            is_made: false,
        };
        let (orders, pricing, inventory) = (1 + shift, 2 + shift, 3 + shift);
        let mut records = vec![
            Record::Process { pid: 7, python_version: "3.13.0".into(), mode: "monitoring".into() },
            module(0, "(framework)"),
            module(orders, "shop.orders"),
            module(pricing, "shop.pricing"),
            module(inventory, "shop.inventory"),
            Record::Shape { id: 1 + shift, skeleton: r#"{"a":"int"}"#.into() },
        ];
        records.push(function(ROOT, 0, "request", FunctionKindCode::Coroutine));
        records.push(function(ORDERS, orders, "create", FunctionKindCode::Coroutine));
        records.push(function(PRICING, pricing, "quote", FunctionKindCode::Coroutine));
        records.push(function(STOCK, inventory, "reserve", FunctionKindCode::Plain));
        for record in &mut records {
            if let Record::Function { file, qualname, .. } = record {
                *file = format!("shop/{qualname}.py");
            }
        }
        Self { records }
    }

    pub(crate) fn start(mut self, request: u64, wall: u64) -> Self {
        self.records.push(Record::RequestStart { request, wall, process_cpu: wall / 2, left_out: 0 });
        self
    }

    pub(crate) fn end(mut self, request: u64, wall: u64, status: u16, endpoint: &str) -> Self {
        let endpoint = endpoint.to_owned();
        let (process_cpu, left_out, handler) = (wall / 2, 0, None);
        self.records.push(Record::RequestEnd { request, wall, process_cpu, left_out, status, handler, endpoint });
        self
    }

    /// Notes the function that the framework chose for the request that was ended last.
    pub(crate) fn handled_by(mut self, function: u32) -> Self {
        if let Some(Record::RequestEnd { handler, .. }) = self.records.last_mut() {
            *handler = Some(function);
        }
        self
    }

    pub(crate) fn server(mut self, name: &str) -> Self {
        self.records.push(Record::Server { name: name.to_owned() });
        self
    }

    /// `ids` are call, parent and request; `at` is wall and CPU clock.
    pub(crate) fn enter(mut self, ids: (u64, u64, u64), function: u32, via: ViaCode, at: (u64, u64)) -> Self {
        let ((call, parent, request), (wall, cpu)) = (ids, at);
        let thread = u32::from(via == ViaCode::Thread);
        self.records.push(Record::Enter { call, parent, request, function, via, thread, wall, cpu });
        self
    }

    pub(crate) fn suspend(mut self, call: u64, at: (u64, u64)) -> Self {
        self.records.push(Record::Suspend { call, wall: at.0, cpu: at.1 });
        self
    }

    pub(crate) fn resume(mut self, call: u64, at: (u64, u64)) -> Self {
        self.records.push(Record::Resume { call, thread: 0, wall: at.0, cpu: at.1 });
        self
    }

    pub(crate) fn leave(mut self, call: u64, at: (u64, u64)) -> Self {
        self.records.push(Record::Leave { call, wall: at.0, cpu: at.1, exception: String::new() });
        self
    }

    pub(crate) fn raise(mut self, call: u64, at: (u64, u64), exception: &str) -> Self {
        self.records.push(Record::Leave { call, wall: at.0, cpu: at.1, exception: exception.to_owned() });
        self
    }

    pub(crate) fn payload(
        mut self,
        call: u64,
        result: bool,
        class: PayloadClassCode,
        encoded_bytes: u64,
        shape: u32,
    ) -> Self {
        let (path, file) = if class < PayloadClassCode::Mutated {
            ("", "shop/create.py")
        } else {
            ("arguments.session (Session)", "shop/create.py")
        };
        let (path, file) = (path.to_owned(), file.to_owned());
        self.records.push(Record::Payload {
            call,
            result,
            shape,
            encoded_bytes,
            nodes: 3,
            class,
            path,
            obstacles: Vec::new(),
            receiver: None,
            file,
            line: 21,
        });
        self
    }

    /// The same script, for a recorder that had worked for this long before each request, and for twice as long after it.
    pub(crate) fn leaving_out(mut self, nanos: u64) -> Self {
        for record in &mut self.records {
            match record {
                Record::RequestStart { left_out, .. } => *left_out = nanos,
                Record::RequestEnd { left_out, .. } => *left_out = 3 * nanos,
                _ => {}
            }
        }
        self
    }

    /// A statement of 5 ns, which got one row; `ids` are statement, call, text, site and transaction.
    pub(crate) fn statement(mut self, ids: (u64, u64, u32, u32, u64), wall: u64) -> Self {
        let (statement, call, text, site, transaction) = ids;
        let record =
            Record::Statement { statement, call, text, site, transaction, wall, nanos: 5, rows: 1, parameter_bytes: 8 };
        self.records.push(record);
        self
    }

    /// The calls whose writes are not committed from here on.
    pub(crate) fn uncommitted(mut self, request: u64, wall: u64, calls: &[u64]) -> Self {
        self.records.push(Record::Uncommitted { request, wall, calls: calls.to_vec() });
        self
    }

    /// The work on a connection in a call, which took 9 ns, 4 of them CPU.
    pub(crate) fn connection(mut self, call: u64, kind: ConnectionWorkCode, wall: u64) -> Self {
        self.records.push(Record::Connection { call, kind, wall, nanos: 9, cpu: 4 });
        self
    }

    /// The definition of a statement's text.
    pub(crate) fn text(mut self, id: u32, sql: &str) -> Self {
        self.records.push(Record::StatementText { id, dialect: DialectCode::Sqlite, sql: sql.to_owned() });
        self
    }

    /// A request of 100 ns that makes one inline call, whole and good.
    pub(crate) fn request(self, request: u64, start: u64) -> Self {
        let (root, call) = (request * 10, request * 10 + 1);
        self.start(request, start)
            .enter((root, 0, request), ROOT, ViaCode::Inline, (start, 0))
            .enter((call, root, request), ORDERS, ViaCode::Inline, (start + 10, 10))
            .leave(call, (start + 60, 40))
            .leave(root, (start + 100, 50))
            .end(request, start + 100, 200, "POST /orders")
    }
}
