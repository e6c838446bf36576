//! Certificates, parsed by ourselves so that several faults of one are all seen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{Oid, OidRegistry};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

use super::seen::{Certificate, TEXT, escaped};

/// Most certificates of a chain that are looked at.
const MAX_CHAIN: usize = 16;
/// Most names of one certificate that are kept.
const MAX_NAMES: usize = 64;
/// id-ad-caIssuers (RFC 5280 4.2.2.1).
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

/// The chain as sent, and what could not be parsed of it.
pub fn chain(der: &[Vec<u8>]) -> (Vec<Certificate>, Option<String>) {
    let mut parsed = Vec::new();
    for (index, bytes) in der.iter().take(MAX_CHAIN).enumerate() {
        match X509Certificate::from_der(bytes) {
            Ok((_, certificate)) => parsed.push(one(&certificate)),
            Err(error) => {
                let text = format!("certificate {}: {error}", index + 1);
                return (parsed, Some(escaped(text.as_bytes(), TEXT)));
            }
        }
    }
    (parsed, None)
}

fn one(certificate: &X509Certificate<'_>) -> Certificate {
    let (key, key_bits) = key(certificate);
    let issuer_url = certificate.iter_extensions().find_map(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else {
            return None;
        };
        access.iter().find_map(|place| match place.access_location {
            GeneralName::URI(url) if place.access_method.to_id_string() == CA_ISSUERS => {
                Some(escaped(url.as_bytes(), TEXT))
            }
            _ => None,
        })
    });
    Certificate {
        subject: name(certificate.subject()),
        issuer: name(certificate.issuer()),
        common_name: common_name(certificate.subject()),
        names: names(certificate),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        key,
        key_bits,
        signature: algorithm(&certificate.signature_algorithm),
        is_ca: certificate.is_ca(),
        self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        issuer_url,
    }
}

fn name(name: &X509Name<'_>) -> String {
    escaped(name.to_string().as_bytes(), TEXT)
}

fn common_name(subject: &X509Name<'_>) -> Option<String> {
    let text = subject.iter_common_name().next()?.as_str().ok()?;
    Some(escaped(text.as_bytes(), TEXT))
}

/// DNS names and addresses of subjectAltName.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = alternative.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(dns) => Some(escaped(dns.as_bytes(), TEXT)),
            GeneralName::IPAddress(bytes) => address(bytes).map(|a| a.to_string()),
            _ => None,
        })
        .take(MAX_NAMES)
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(sixteen).into())
}

fn key(certificate: &X509Certificate<'_>) -> (String, u32) {
    let public = certificate.public_key();
    match public.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let bits = u32::try_from(rsa.key_size()).unwrap_or(u32::MAX);
            (format!("RSA {bits}"), bits)
        }
        Ok(PublicKey::EC(point)) => {
            let bits = u32::try_from(point.key_size()).unwrap_or(u32::MAX);
            (format!("EC {bits}"), bits)
        }
        Ok(PublicKey::DSA(_)) => ("DSA".to_owned(), 0),
        _ => (algorithm(&public.algorithm), 0),
    }
}

/// Its name in the registry, or its number.
fn algorithm(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let oid: &Oid<'_> = &algorithm.algorithm;
    let registry = OidRegistry::default().with_crypto().with_x509();
    let entry = registry.get(oid);
    entry.map_or_else(|| oid.to_id_string(), |entry| entry.sn().to_owned())
}

/// A moment at which all of the chain is valid (seconds since 1970): `now`, if it can be, so that
/// trust can be judged apart from dates. Without such a moment, one at which the first is valid.
pub fn valid_moment(chain: &[Certificate], now: i64) -> u64 {
    let from = chain.iter().map(|c| c.not_before).max().unwrap_or(now);
    let until = chain.iter().map(|c| c.not_after).min().unwrap_or(now);
    let moment = match chain.first() {
        Some(own) if until < from => own.not_after,
        // Not `clamp`, which wants its bounds in order.
        _ => now.min(until).max(from),
    };
    u64::try_from(moment).unwrap_or(0)
}

/// Whether a certificate with these names is for `host` (RFC 9525 6.3): an address must be there
/// as an address; a wildcard stands for exactly one label, the leftmost, and for all of it.
pub fn is_for(names: &[String], host: &str) -> bool {
    let host = host.trim_end_matches('.');
    if let Ok(address) = host.parse::<IpAddr>() {
        return names
            .iter()
            .any(|name| name.parse::<IpAddr>() == Ok(address));
    }
    names.iter().any(|name| {
        let name = name.trim_end_matches('.');
        if name.eq_ignore_ascii_case(host) {
            return true;
        }
        let Some(rest) = name.strip_prefix("*.") else {
            return false;
        };
        host.split_once('.')
            .is_some_and(|(label, parent)| !label.is_empty() && parent.eq_ignore_ascii_case(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_whole_label() {
        let table = [
            ("chat.example.com", "chat.example.com", true),
            ("Chat.Example.com", "chat.example.com.", true),
            ("*.example.com", "chat.example.com", true),
            ("*.example.com", "a.chat.example.com", false),
            ("*.example.com", "example.com", false),
            ("c*.example.com", "chat.example.com", false),
            ("chat.example.com", "example.com", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("::1", "0:0:0:0:0:0:0:1", true),
            ("*.0.0.1", "127.0.0.1", false),
        ];
        for (name, host, fits) in table {
            assert_eq!(is_for(&[name.to_owned()], host), fits, "{name} for {host}");
        }
        assert!(!is_for(&[], "localhost"));
    }

    #[test]
    fn bytes_that_are_no_certificate_are_said() {
        let (parsed, unreadable) = chain(&[vec![0x30, 0x03, 1, 2, 3]]);
        assert!(parsed.is_empty());
        assert!(unreadable.unwrap().starts_with("certificate 1: "));
    }
}
