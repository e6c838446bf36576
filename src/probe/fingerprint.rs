//! Who is on the path, as far as it shows itself: evidence, never proof.

use schemars::JsonSchema;
use serde::Serialize;

use super::seen::{Answer, Seen};

/// Something a fix is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Apache httpd.
    Apache,
    /// Caddy.
    Caddy,
    /// Envoy, Istio.
    Envoy,
    /// Traefik.
    Traefik,
    /// ingress-nginx of Kubernetes.
    IngressNginx,
    /// Varnish.
    Varnish,
    /// lighttpd.
    Lighttpd,
    /// Squid.
    Squid,
    /// nghttpx.
    Nghttpx,
    /// stunnel.
    Stunnel,
    /// hitch.
    Hitch,
    /// AWS load balancers.
    AwsAlb,
    /// AWS API Gateway.
    AwsApiGateway,
    /// Cloudflare.
    Cloudflare,
    /// Google Cloud load balancers and Cloud Run.
    GoogleCloud,
    /// Azure front ends.
    Azure,
    /// Heroku's router.
    Heroku,
    /// Proxies written with Node.js (http-proxy and what is built on it).
    NodeProxy,
    /// Socket.IO servers.
    SocketIo,
    /// The WebSocket server.
    Server,
    /// The one who connects.
    Client,
    /// The network between.
    Network,
    /// Whatever proxy there is.
    AnyProxy,
}

impl Product {
    /// As its makers write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Apache => "Apache",
            Self::Caddy => "Caddy",
            Self::Envoy => "Envoy",
            Self::Traefik => "Traefik",
            Self::IngressNginx => "ingress-nginx",
            Self::Varnish => "Varnish",
            Self::Lighttpd => "lighttpd",
            Self::Squid => "Squid",
            Self::Nghttpx => "nghttpx",
            Self::Stunnel => "stunnel",
            Self::Hitch => "hitch",
            Self::AwsAlb => "AWS load balancer",
            Self::AwsApiGateway => "AWS API Gateway",
            Self::Cloudflare => "Cloudflare",
            Self::GoogleCloud => "Google Cloud",
            Self::Azure => "Azure",
            Self::Heroku => "Heroku",
            Self::NodeProxy => "Node.js proxy",
            Self::SocketIo => "Socket.IO",
            Self::Server => "server",
            Self::Client => "client",
            Self::Network => "network",
            Self::AnyProxy => "any proxy",
        }
    }
}

/// Words in Server, Via and other headers, or in an error page, that name a product.
const MARKS: &[(&str, Product)] = &[
    ("nginx", Product::Nginx),
    ("openresty", Product::Nginx),
    ("haproxy", Product::Haproxy),
    ("apache", Product::Apache),
    ("caddy", Product::Caddy),
    ("envoy", Product::Envoy),
    ("traefik", Product::Traefik),
    ("varnish", Product::Varnish),
    ("lighttpd", Product::Lighttpd),
    ("squid", Product::Squid),
    ("nghttpx", Product::Nghttpx),
    ("awselb", Product::AwsAlb),
    ("cloudflare", Product::Cloudflare),
    ("google frontend", Product::GoogleCloud),
    ("cowboy", Product::Heroku),
];

/// Products named by one answer.
pub fn of(answer: &Answer) -> Vec<Product> {
    let mut text = String::new();
    for (name, value) in &answer.headers {
        match name.as_str() {
            "server" | "via" => text.push_str(value),
            "x-envoy-upstream-service-time" => text.push_str("envoy"),
            "x-varnish" => text.push_str("varnish"),
            "x-squid-error" => text.push_str("squid"),
            "cf-ray" => text.push_str("cloudflare"),
            _ => {}
        }
        text.push(' ');
    }
    let text = text.to_ascii_lowercase();
    let mut found: Vec<_> = (MARKS.iter())
        .filter(|(mark, _)| text.contains(mark))
        .map(|&(_, product)| product)
        .collect();
    // HAProxy names itself nowhere; its error pages are its own.
    let own = [
        "Your browser sent an invalid request.",
        "No server is available to handle this request.",
        "The server returned an invalid or incomplete response.",
        "The server didn't respond in time.",
    ];
    if own.iter().any(|page| answer.body.contains(page)) {
        found.push(Product::Haproxy);
    }
    found.dedup();
    found
}

/// Products named anywhere in what was seen, in the order first met.
pub fn products(seen: &Seen) -> Vec<Product> {
    let mut found = Vec::new();
    let answers = (seen.handshake.iter())
        .chain(&seen.compared)
        .filter_map(|e| e.answer());
    for product in answers.flat_map(of) {
        if !found.contains(&product) {
            found.push(product);
        }
    }
    found
}
