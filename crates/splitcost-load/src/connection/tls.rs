//! The configuration of rustls, made once for each target.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::target::{Roots, Tls, Version};

/// The parameters that all encrypted connections to a target share.
#[derive(Clone)]
pub(crate) struct TlsParams {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
}

impl Tls {
    /// Returns the equivalent configuration of rustls, and the server name that it verifies.
    ///
    /// # Errors
    /// Describes the problem when the server name or the certificates are invalid.
    pub fn client_config(&self, version: Version) -> Result<(Arc<ClientConfig>, ServerName<'static>), String> {
        let TlsParams { config, server_name } = params(self, version)?;
        Ok((config, server_name))
    }
}

/// Returns the parameters for connections to a target; an error describes the invalid setting.
pub(crate) fn params(tls: &Tls, version: Version) -> Result<TlsParams, String> {
    let server_name = ServerName::try_from(tls.server_name.clone())
        .map_err(|_| format!("{:?} is not a valid server name", tls.server_name))?;
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
        Roots::Unverified => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate(provider)))
            .with_no_client_auth(),
    };
    let offered: &[&str] = match version {
        Version::Negotiated => &["h2", "http/1.1"],
        Version::Http1 => &["http/1.1"],
        Version::Http2 => &["h2"],
    };
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(TlsParams { config: Arc::new(config), server_name })
}

/// Reads the certificates of a PEM bundle.
fn bundle(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the certificate bundle is not valid PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("the certificate bundle has an invalid certificate: {error}"))?;
    }
    if roots.is_empty() {
        return Err("the certificate bundle contains no certificate".to_owned());
    }
    Ok(roots)
}

/// A verifier that accepts any certificate, because the user asked for that. Handshake signatures are still verified.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
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
