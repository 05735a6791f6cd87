//! The resources of known kinds: what a callee in another service would obtain for itself.

use splitcost_recording::log::PayloadClassCode as Class;

type Known = (&'static str, Class, &'static [&'static str]);

/// Connections to databases, and what is like them. Types by the package that they are of and by the end of their name, in
/// lower case; any name ends with an empty text.
///
/// A class of the app that is derived from one of them is such a resource, too.
const DATABASES: &[Known] = &[
    ("sqlalchemy", Class::Resource, &["session", "connection", "engine", "sessionmaker", "sessiontransaction"]),
    ("flask_sqlalchemy", Class::Resource, &["sqlalchemy", "session"]),
    ("django.db", Class::Resource, &["databasewrapper", "cursorwrapper", "cursordebugwrapper", "connectionhandler"]),
    ("django.utils.connection", Class::Resource, &["connectionproxy"]),
    ("sqlite3", Class::Resource, &["connection", "cursor"]),
    ("aiosqlite", Class::Resource, &["connection", "cursor"]),
    ("psycopg", Class::Resource, &["connection", "cursor"]),
    ("psycopg2", Class::Resource, &["connection", "cursor", "pool"]),
    ("psycopg_pool", Class::Resource, &["pool"]),
    ("asyncpg", Class::Resource, &["connection", "pool", "poolconnectionproxy"]),
    ("pymysql", Class::Resource, &["connection", "cursor"]),
    ("aiomysql", Class::Resource, &["connection", "cursor", "pool"]),
    ("MySQLdb", Class::Resource, &["connection", "cursor"]),
    ("mysql.connector", Class::Resource, &["connection", "cursor", "pool"]),
    ("redis", Class::Resource, &["redis", "rediscluster", "connectionpool", "connection", "pipeline", "pubsub"]),
    ("pymongo", Class::Resource, &["client", "database", "collection", "clientsession"]),
];
/// Other resources, and what only looks like data.
const OTHERS: &[Known] = &[
    // Managers, of which some are named after the queries that they make.
    ("django.db.models.manager", Class::Resource, &[""]),
    // Queries.
    ("sqlalchemy", Class::Generator, &["query"]),
    ("django.db.models", Class::Generator, &["queryset"]),
    ("django.db.models", Class::Resource, &["manager"]),
    ("contextlib", Class::ContextManager, &["generatorcontextmanager"]),
    // What tasks and threads wait for, which looks like data as long as nobody waits.
    ("asyncio", Class::Live, &[""]),
    ("anyio", Class::Live, &[""]),
    ("trio", Class::Live, &[""]),
    ("threading", Class::Live, &[""]),
    // Settings.
    ("django.conf", Class::Resource, &["settings"]),
    ("flask.config", Class::Resource, &["config"]),
    // Clients.
    ("httpx", Class::Resource, &["client"]),
    ("httpx2", Class::Resource, &["client"]),
    ("requests", Class::Resource, &["session"]),
    ("botocore", Class::Resource, &["client"]),
    // Loggers.
    ("logging", Class::Resource, &["logger", "loggeradapter"]),
    ("structlog", Class::Resource, &["logger", "boundloggerlazyproxy", "boundloggerbase"]),
    ("loguru", Class::Resource, &["logger"]),
    // Requests, responses and applications.
    ("aiohttp", Class::Resource, &["session", "request", "response", "application"]),
    ("starlette", Class::Resource, &["request", "response", "websocket", "httpconnection", "starlette", "state"]),
    ("fastapi", Class::Resource, &["fastapi"]),
    ("werkzeug", Class::Resource, &["request", "response", "localproxy"]),
    ("flask", Class::Resource, &["flask", "request", "response", "_appctxglobals", "session"]),
    ("django.http", Class::Resource, &["request", "response", "httpresponsebase"]),
    ("django.core.handlers", Class::Resource, &["request"]),
    ("django.contrib.sessions.backends", Class::Resource, &["sessionbase"]),
    // Templates, and what they are filled with.
    ("django.template", Class::Resource, &["requestcontext", "template", "engine"]),
    ("jinja2", Class::Resource, &["environment", "template", "context"]),
    ("rest_framework", Class::Resource, &["request", "response"]),
    ("sanic", Class::Resource, &["request", "response", "sanic"]),
];

/// Modules that execute statements, and call code of the app for each: wrappers, listeners, loaders of values.
const STATEMENT_LAYERS: [&str; 8] = [
    "aiomysql",
    "asyncpg",
    "django.db.backends.utils",
    "MySQLdb",
    "psycopg",
    "psycopg2",
    "pymysql",
    "sqlalchemy.engine",
];

/// Returns the class of the values of a library's type, if it is of a known kind.
pub(crate) fn class_of(module: &str, qualname: &str) -> Option<Class> {
    find(DATABASES, module, qualname).or_else(|| find(OTHERS, module, qualname))
}

/// Returns true for a library's type of connections to a database, or of what is like them.
pub(crate) fn is_database(module: &str, qualname: &str) -> bool {
    find(DATABASES, module, qualname).is_some()
}

/// Returns true for a module of a library that executes statements.
pub(crate) fn executes_statements(module: &str) -> bool {
    STATEMENT_LAYERS.iter().any(|package| is_within(module, package))
}

/// Modules whose objects are of one process, even where another one has its own under the same name.
const OF_A_PROCESS: [&str; 13] = [
    "_io",
    "_socket",
    "_thread",
    "asyncio",
    "concurrent",
    "io",
    "multiprocessing",
    "queue",
    "select",
    "socket",
    "ssl",
    "threading",
    "werkzeug.local",
];

/// Returns true when an object of this class and type, as `module:Qualname`, goes by its name where it has one.
pub(crate) fn is_named(class: Class, type_name: &str) -> bool {
    let module = type_name.split(':').next().unwrap_or_default();
    matches!(class, Class::Resource | Class::Live) && !is_of_a_process(module)
}

/// Returns true for a module whose objects are of one process.
pub(crate) fn is_of_a_process(module: &str) -> bool {
    OF_A_PROCESS.iter().any(|process| is_within(module, process))
}

fn find(known: &[Known], module: &str, qualname: &str) -> Option<Class> {
    let name = qualname.to_ascii_lowercase();
    let fits = |(package, _, ends): &&Known| is_within(module, package) && ends.iter().any(|end| name.ends_with(end));
    known.iter().find(fits).map(|(_, class, _)| *class)
}

/// Returns true for a package and for the modules in it.
pub(crate) fn is_within(module: &str, package: &str) -> bool {
    module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
