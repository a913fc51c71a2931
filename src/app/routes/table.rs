//! The table of routes, and which of them answers a request.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::handler::{BlockingRoute, IntoResponse, Runs};
use crate::app::declare::Pool;
use crate::error::{Error, Result};
use crate::http::{LongResponse, Method, Request, RouteKey, Served};

const PATH: &str = "expected a path that begins with a slash, as requests write it, without a query; `*` stands for the rest \
                    of a path, and only at the end, behind a slash: /users/*";

/// A declared route.
pub(super) struct Route {
    method: Method,
    /// The path as it was declared, with its wildcard.
    path: String,
    /// The route as named in the log.
    pub(super) name: Arc<str>,
    pub(super) runs: Runs,
}

/// All routes.
pub(crate) struct Routes {
    pub(super) pool: Arc<Pool>,
    pub(super) routes: Vec<Route>,
    exact: HashMap<Box<str>, Vec<RouteKey>, FixedState>,
    /// By what stands before the wildcard, the longest first.
    wildcards: Vec<(Box<str>, Vec<RouteKey>)>,
    /// What is wrong with the first route that is wrong.
    fault: Option<Error>,
}

impl Routes {
    /// No routes yet; `pool` will run those that block.
    pub(in crate::app) fn new(pool: &Arc<Pool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            routes: Vec::new(),
            exact: HashMap::default(),
            wildcards: Vec::new(),
            fault: None,
        }
    }

    /// Declares a route whose handler runs on the event loop.
    pub(crate) fn add<R: IntoResponse>(
        &mut self,
        method: Method,
        path: &str,
        handler: impl Fn(&Request) -> R + Send + Sync + 'static,
    ) {
        self.declare(method, path, Runs::Here(Box::new(move |request| handler(request).into_response())));
    }

    /// Declares a route whose handler may block.
    pub(crate) fn add_blocking<R: IntoResponse>(
        &mut self,
        method: Method,
        path: &str,
        handler: impl Fn(&Request) -> R + Send + Sync + 'static,
    ) {
        self.pool.want();
        let handler: Arc<BlockingRoute> =
            Arc::new(move |request| handler(request).into_response().map(LongResponse::from));
        self.declare(method, path, Runs::OnPool(handler));
    }

    pub(super) fn declare(&mut self, method: Method, path: &str, runs: Runs) {
        let key = RouteKey(self.routes.len());
        let (before, is_wildcard) = match path.strip_suffix('*') {
            Some(before) => (before, true),
            None => (path, false),
        };
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'*');
        let is_behind_slash = !is_wildcard || before.ends_with('/');
        if !(path.starts_with('/') && before.bytes().all(is_plain) && is_behind_slash) {
            return self.refuse(path, PATH);
        }
        let same = |route: &Route| route.method == method && route.path == path;
        if self.routes.iter().any(same) {
            return self.refuse(path, &format!("it is declared twice for {method}; keep one of them"));
        }
        if is_wildcard {
            self.keys_behind(before).push(key);
        } else {
            self.exact.entry(path.into()).or_default().push(key);
        }
        let name = format!("{method} {path}").into();
        self.routes.push(Route { method, path: path.to_owned(), name, runs });
    }

    /// Notes why a route cannot be served, unless another one cannot be either.
    pub(super) fn refuse(&mut self, path: &str, why: &str) {
        self.fault.get_or_insert_with(|| Error::Route { path: path.to_owned(), why: why.to_owned() });
    }

    /// The routes with a wildcard behind this.
    fn keys_behind(&mut self, before: &str) -> &mut Vec<RouteKey> {
        let known = self.wildcards.iter().position(|(other, _)| **other == *before);
        let place = known.unwrap_or_else(|| {
            let place = self.wildcards.partition_point(|(other, _)| other.len() >= before.len());
            self.wildcards.insert(place, (before.into(), Vec::new()));
            place
        });
        &mut self.wildcards[place].1
    }

    /// Checks that all of them can be served beside the endpoint at this path.
    ///
    /// # Errors
    /// [`Error::Route`] for the first that cannot.
    pub(crate) fn check(&mut self, endpoint: &str) -> Result<()> {
        if let Some(route) = self.routes.iter().find(|route| route.path.starts_with(endpoint)) {
            let path = route.path.clone();
            self.refuse(
                &path,
                &format!("requests below {endpoint} are Socket.IO's (KINGLET_PATH); choose another path"),
            );
        }
        self.fault.take().map_or(Ok(()), Err)
    }

    /// What answers a request: of the routes whose paths fit and that have the method the exact one, then the one with the
    /// longest path before its wildcard.
    pub(in crate::app) fn find(&self, method: Option<Method>, path: &str) -> Served {
        if self.routes.is_empty() {
            return Served::Nothing;
        }
        let exact = self.exact.get(path).map(|keys| (path.len(), keys));
        let wildcards = self.wildcards.iter().filter(|(before, _)| path.starts_with(&**before));
        let fitting = exact.into_iter().chain(wildcards.map(|(before, keys)| (before.len(), keys)));
        let mut others = Vec::new();
        for (own, keys) in fitting {
            if let Some(key) = method.and_then(|method| self.of_method(keys, method)) {
                return Served::Route(key, own);
            }
            others.extend_from_slice(keys);
        }
        if others.is_empty() { Served::Nothing } else { Served::Otherwise(self.allowed(&others)) }
    }

    /// The route for a method among those of a path. One for GET answers HEAD, too.
    fn of_method(&self, keys: &[RouteKey], method: Method) -> Option<RouteKey> {
        let of = |method| keys.iter().copied().find(|key| self.routes[key.0].method == method);
        of(method).or_else(|| of(Method::Get).filter(|_| method == Method::Head))
    }

    /// The value of `Allow` for a path with these routes.
    fn allowed(&self, keys: &[RouteKey]) -> String {
        let is_allowed = |method: &Method| *method == Method::Options || self.of_method(keys, *method).is_some();
        Method::ALL.into_iter().filter(is_allowed).map(Method::as_str).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Response;

    fn routes(declared: &[(Method, &str)]) -> Routes {
        let mut routes = Routes::new(&Arc::default());
        declared.iter().for_each(|(method, path)| routes.add(*method, path, |_| Response::new(204)));
        routes
    }

    fn found(routes: &Routes, method: Method, path: &str) -> Option<(usize, usize)> {
        match routes.find(Some(method), path) {
            Served::Route(key, own) => Some((key.0, own)),
            Served::Nothing | Served::Otherwise(_) => None,
        }
    }

    #[test]
    fn the_exact_route_comes_first_then_the_longest_before_its_wildcard() {
        use Method::Get;
        let routes = routes(&[(Get, "/*"), (Get, "/a/*"), (Get, "/a/b"), (Get, "/a/b/*")]);
        for (path, number, own) in [
            ("/", 0, 1),
            ("/a", 0, 1),
            ("/a/", 1, 3),
            ("/a/x", 1, 3),
            ("/a/b", 2, 4),
            ("/a/b/", 3, 5),
            ("/a/b/c/d", 3, 5),
        ] {
            assert_eq!(found(&routes, Get, path), Some((number, own)), "{path}");
        }
    }

    #[test]
    fn a_route_without_the_method_leaves_the_request_to_the_next() {
        use Method::{Delete, Get, Head, Post, Put};
        let routes = routes(&[(Get, "/*"), (Post, "/a"), (Put, "/b"), (Head, "/c"), (Get, "/c")]);
        assert_eq!(
            [Get, Head, Post].map(|method| found(&routes, method, "/a")),
            [Some((0, 1)), Some((0, 1)), Some((1, 2))]
        );
        assert_eq!([found(&routes, Head, "/c"), found(&routes, Get, "/c")], [Some((3, 2)), Some((4, 2))]);
        assert_eq!(routes.find(Some(Delete), "/a"), Served::Otherwise("GET, HEAD, POST, OPTIONS".into()));
        assert_eq!(routes.find(None, "/b"), Served::Otherwise("GET, HEAD, PUT, OPTIONS".into()));
    }

    #[test]
    fn other_paths_are_nobodys() {
        let routes = routes(&[(Method::Get, "/a"), (Method::Get, "/b/*")]);
        for path in ["/", "/A", "/a/", "/b", "*", ""] {
            assert_eq!(routes.find(Some(Method::Get), path), Served::Nothing, "{path}");
        }
    }

    #[test]
    fn a_path_that_no_request_has_is_refused() {
        for path in ["", "a", "*", "/a*", "/*/a", "/a/**", "/a b", "/a?b", "/\u{e9}"] {
            let error = routes(&[(Method::Get, path)]).check("/socket.io/").unwrap_err().to_string();
            assert!(error.starts_with(&format!("the route {path:?} cannot be served: expected a path")), "{error}");
        }
    }

    #[test]
    fn what_would_never_be_asked_is_refused() {
        let error = |declared: &[(Method, &str)]| routes(declared).check("/socket.io/").unwrap_err().to_string();
        assert!(error(&[(Method::Get, "/socket.io/x")]).contains("choose another path"));
        assert!(error(&[(Method::Get, "/a"), (Method::Get, "/a")]).contains("declared twice for GET"));
        assert!(
            routes(&[(Method::Get, "/a"), (Method::Post, "/a"), (Method::Get, "/socket.io")])
                .check("/socket.io/")
                .is_ok()
        );
    }
}
