//! Encrypted connections: whom the sources trust, and whom not.

use std::{path::PathBuf, time::Duration};

use modelgate_source_tests::{
    PATIENCE, attempts, expect, expect_text, reason,
    tls::{Authority, Terminator},
    vendor::{FLAG, VENDORS, Way},
};

use crate::{ANY_PORT, store};

/// How a server shows who it is, and what the status says when it is not believed.
struct Shown {
    what: &'static str,
    /// What its certificate says of it.
    certificate: fn(&Authority) -> modelgate_source_tests::tls::Certified,
    /// Whether the source trusts the server's own authority, or another.
    trusted: bool,
    says: &'static [&'static str],
}

const REFUSED: [Shown; 4] = [
    Shown {
        what: "signed by itself",
        certificate: |_| Authority::self_signed("localhost"),
        trusted: true,
        says: &["UnknownIssuer", "unknown issuer", "CaUsedAsEndEntity", "self-signed"],
    },
    Shown {
        what: "of an authority that is not trusted",
        certificate: |authority| authority.certify("localhost"),
        trusted: false,
        says: &["UnknownIssuer", "unknown issuer", "BadSignature"],
    },
    Shown {
        what: "expired",
        certificate: Authority::certify_expired,
        trusted: true,
        says: &["xpired"],
    },
    Shown {
        what: "of another host",
        certificate: |authority| authority.certify("elsewhere.example.com"),
        trusted: true,
        says: &["not valid for name"],
    },
];

fn file(folder: &tempfile::TempDir, name: &str, authority: &Authority) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, authority.pem()).unwrap();
    path
}

#[test]
fn a_company_may_have_an_authority_of_its_own_and_nobody_else_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let (ours_pem, other_pem) = (file(&folder, "ours", &ours), file(&folder, "other", &other));
    for vendor in VENDORS {
        let server = vendor.start(ANY_PORT.parse().unwrap(), "v1");
        let to = |terminator: &Terminator, authority: &PathBuf| Way {
            scheme: "https",
            host: "localhost".to_owned(),
            // A handshake in a debug build takes its time.
            timeout: Duration::from_secs(5),
            authority: Some(authority.clone()),
            ..Way::to(terminator.address())
        };
        for shown in &REFUSED {
            let certified = (shown.certificate)(&ours);
            let terminator = Terminator::before(server.address(), certified, vendor.protocol());
            let trusted = if shown.trusted { &ours_pem } else { &other_pem };
            let flags = store(vendor, &to(&terminator, trusted));
            let named = |text: &str| shown.says.iter().any(|says| text.contains(says));
            let status = expect(&flags, |status| named(reason(status)) && attempts(status) > 1);
            assert!(!status.ready, "{}: {}: {status:#?}", vendor.name(), shown.what);
            assert_eq!(status.sources[0].connection.as_ref().unwrap().bytes_received, 0);
        }
        let certified = ours.certify("localhost");
        let terminator = Terminator::before(server.address(), certified, vendor.protocol());
        let flags = store(vendor, &to(&terminator, &ours_pem));
        flags.wait_ready(PATIENCE).unwrap();
        expect_text(&flags, FLAG, "v1");
    }
}

#[test]
fn a_server_that_is_not_secure_is_said() {
    for vendor in VENDORS {
        let server = vendor.start(ANY_PORT.parse().unwrap(), "v1");
        let way = Way { scheme: "https", ..Way::to(server.address()) };
        let flags = store(vendor, &way);
        let status = expect(&flags, |status| attempts(status) > 1);
        assert!(!status.ready && !reason(&status).is_empty(), "{}", vendor.name());
    }
}
