//! Whom a connection trusts, and what it offers: rustls, configured once per target.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::wire::TlsParams;
use crate::target::{Roots, Tls, Version};

/// The configuration of a target; an error says what is wrong with it.
pub(crate) fn params(tls: &Tls, version: Version) -> Result<TlsParams, String> {
    let server_name = ServerName::try_from(tls.server_name.clone())
        .map_err(|_| format!("{:?} is no name of a server", tls.server_name))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = match &tls.roots {
        Roots::Public => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Roots::Pem(pem) => builder.with_root_certificates(bundle(pem)?).with_no_client_auth(),
        Roots::Unverified => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth()
        }
    };
    let offered: &[&str] = match version {
        Version::Negotiated => &["h2", "http/1.1"],
        Version::Http1 => &["http/1.1"],
        Version::Http2 => &["h2"],
    };
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(TlsParams { config: Arc::new(config), server_name })
}

fn bundle(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the bundle of certificates is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("the bundle has a certificate that is none: {error}"))?;
    }
    if roots.is_empty() {
        return Err("the bundle of certificates has none in it".to_owned());
    }
    Ok(roots)
}

/// Trusts any certificate, because the user said so; the handshake's signatures are still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
