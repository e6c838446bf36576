use super::*;

#[test]
fn a_dial_gets_the_time_we_stood_still() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    const SECOND: Duration = Duration::from_secs(1);
    // It answers after so long; stood still so long before the dial, and during it.
    for (answer, before, during, expected) in [
        (9, 0, 0, true),
        (11, 0, 0, false),
        (11, 3, 3, false),
        (11, 0, 3, true),
        (12, 5, 8, true),
        (14, 0, 3, false),
    ] {
        let dialler = Dialler::new(DialSettings {
            via: None,
            timeout: 10 * SECOND,
            nodelay: true,
            tls: None,
            server_name: None,
            overrides: Vec::new(),
        });
        dialler.stood_still(before * SECOND);
        let attempt = async {
            dialler.stood_still(during * SECOND);
            tokio::time::sleep(answer * SECOND).await;
        };
        let ended =
            runtime.block_on(async { dialler.within_deadline(Instant::now(), attempt).await });
        assert_eq!(ended.is_some(), expected, "{answer} s");
    }
}

#[test]
fn an_end_within_the_upgrade_keeps_its_cause() {
    use io::ErrorKind as E;
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
    let truncated = FailureKind::BadUpgrade(BadUpgrade::Truncated);
    let table = [
        (io::Error::from(E::UnexpectedEof), truncated),
        (io::Error::from(E::ConnectionReset), FailureKind::Reset),
        (io::Error::from(E::BrokenPipe), FailureKind::Reset),
        (
            io::Error::new(E::InvalidData, alert),
            FailureKind::Tls(Some(116)),
        ),
        (io::Error::from_raw_os_error(5), FailureKind::Io(5)),
    ];
    for (error, kind) in table {
        let shown = error.to_string();
        assert_eq!(ended(b"", error).0, kind, "{shown}");
    }
}
