//! The resources of known kinds: what a callee in another service would obtain for itself.

use splitcost_recording::log::PayloadClassCode as Class;

/// Types by the package that they are of and by the end of their name, in lower case; any name ends with an empty text.
///
/// A class of the app that is derived from one of them is such a resource, too.
const KNOWN: &[(&str, Class, &[&str])] = &[
    // Databases.
    ("sqlalchemy", Class::Generator, &["query"]),
    ("sqlalchemy", Class::Resource, &["session", "connection", "engine", "sessionmaker", "sessiontransaction"]),
    ("flask_sqlalchemy", Class::Resource, &["sqlalchemy", "session"]),
    ("django.db.models", Class::Generator, &["queryset"]),
    ("django.db.models", Class::Resource, &["manager"]),
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
    ("rest_framework", Class::Resource, &["request", "response"]),
    ("sanic", Class::Resource, &["request", "response", "sanic"]),
];

/// Returns the class of the values of a library's type, if it is of a known kind.
pub(crate) fn class_of(module: &str, qualname: &str) -> Option<Class> {
    let name = qualname.to_ascii_lowercase();
    let is_within =
        |package: &str| module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let fits =
        |(package, _, ends): &&(&str, Class, &[&str])| is_within(package) && ends.iter().any(|end| name.ends_with(end));
    KNOWN.iter().find(fits).map(|(_, class, _)| *class)
}
