//! `wsbench probe` against TLS servers with certificates made on the spot.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A certificate signed by itself, its DER and its key.
fn certificate(names: &[&str], expired: bool) -> (CertificateDer<'static>, KeyPair) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    if expired {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().der().clone(), key)
}

/// Answers every request with 404 over TLS, until the runtime ends.
async fn server(certificate: CertificateDer<'static>, key: &KeyPair) -> SocketAddr {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let mut request = [0; 4096];
                if tls.read(&mut request).await.is_ok_and(|count| count > 0) {
                    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
                    let _ = tls.write_all(answer).await;
                    let _ = tls.shutdown().await;
                }
            });
        }
    });
    address
}

async fn probe(address: SocketAddr, ca: &CertificateDer<'static>, flags: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    write_pem(&file, ca);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_wsbench"));
    command
        .args(["probe", "--json", "--idle", "0s", "--ca"])
        .arg(&file)
        .args(flags)
        .arg(format!("wss://127.0.0.1:{}/ws", address.port()));
    command.output().await.unwrap()
}

fn write_pem(path: &Path, der: &CertificateDer<'static>) {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    std::fs::write(path, pem).unwrap();
}

/// (id, severity) of each finding about TLS, sorted.
fn findings(output: &Output) -> Vec<(String, String)> {
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = (document["findings"].as_array().unwrap().iter())
        .filter(|finding| finding["layer"] == "tls")
        .map(|finding| (text(&finding["id"]), text(&finding["severity"])))
        .collect();
    found.sort();
    found
}

fn pairs(ids: &[&str], severity: &str) -> Vec<(String, String)> {
    let pair = |id: &&str| ((*id).to_owned(), severity.to_owned());
    ids.iter().map(pair).collect()
}

const ALL_THREE: [&str; 3] = ["tls-expired", "tls-selfsigned", "tls-wronghost"];

#[tokio::test]
async fn three_faults_of_one_certificate_are_all_reported() {
    let (other, _) = certificate(&["ca.example"], false);
    let (bad, key) = certificate(&["chat.example.com"], true);
    let address = server(bad, &key).await;
    let output = probe(address, &other, &["-H", "Authorization: Bearer s3cret"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(findings(&output), pairs(&ALL_THREE, "fault"));
    // What is secret does not go to a server that is not trusted.
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["seen"]["asked"]["withheld"], true);
}

#[tokio::test]
async fn with_insecure_they_are_notes() {
    let (other, _) = certificate(&["ca.example"], false);
    let (bad, key) = certificate(&["chat.example.com"], true);
    let address = server(bad, &key).await;
    let output = probe(address, &other, &["--insecure"]).await;
    assert_eq!(findings(&output), pairs(&ALL_THREE, "note"));
}

#[tokio::test]
async fn a_certificate_given_as_trusted_is_none() {
    let (good, key) = certificate(&["127.0.0.1"], false);
    let address = server(good.clone(), &key).await;
    let output = probe(address, &good, &[]).await;
    assert_eq!(findings(&output), []);
}
