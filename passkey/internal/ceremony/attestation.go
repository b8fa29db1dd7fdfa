package ceremony

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// formats are those whose statements are read, WebAuthn §8.2 to §8.8. SafetyNet is not among them: the service behind
// it is gone, so that no statement of it can be new.
var formats = []protocol.AttestationFormat{
	protocol.AttestationFormatNone, protocol.AttestationFormatPacked, protocol.AttestationFormatTPM,
	protocol.AttestationFormatAndroidKey, protocol.AttestationFormatFIDOUniversalSecondFactor, protocol.AttestationFormatApple,
}

// parseAttestation reads an attestation object.
func parseAttestation(raw []byte) (o protocol.AttestationObject, err error) {
	// A struct would take names in any case.
	var members map[string]webauthncbor.RawMessage
	if err := webauthncbor.Unmarshal(raw, &members); err != nil {
		return o, refuse(Malformed, "the attestation object: %v", err)
	}
	if len(members) != 3 { // the three that are read below
		return o, refuse(Malformed, "the attestation object has not the members fmt, attStmt and authData")
	}
	// The form of the statement depends on the format.
	if err := webauthncbor.Unmarshal(members["fmt"], &o.Format); err != nil {
		return o, refuse(Malformed, "the format: %v", err)
	}
	if !slices.Contains(formats, protocol.AttestationFormat(o.Format)) {
		return o, refuse(Attestation, "a format that is not read")
	}
	if err := webauthncbor.Unmarshal(members["attStmt"], &o.AttStatement); err != nil || o.AttStatement == nil {
		return o, refuse(Malformed, "the attestation statement is no map")
	}
	if err := webauthncbor.Unmarshal(members["authData"], &o.RawAuthData); err != nil {
		return o, refuse(Malformed, "the authenticator data: %v", err)
	}
	o.AuthData, err = parseAuthData(o.RawAuthData)
	return o, err
}

// attested checks the attestation statement, which must be right even where nobody asked for one, and reports whether
// it leads to a root of a trusted authenticator. Without trusted authenticators, the answer is no.
func (c *Ceremony) attested(o protocol.AttestationObject, clientDataHash []byte, now time.Time) (bool, error) {
	if err := o.VerifyAttestation(clientDataHash, nil, protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		return false, refuse(Attestation, "%v", err)
	}
	if len(c.party.Trusted) == 0 {
		return false, nil
	}
	path, err := trustPath(o)
	if err != nil {
		return false, err
	}
	for _, t := range c.party.Trusted {
		if t.AAGUID != [16]byte(o.AuthData.AttData.AAGUID) {
			continue
		}
		if _, err := path[0].Verify(x509.VerifyOptions{
			Roots: t.Roots, Intermediates: pool(path[1:]), CurrentTime: now,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		}); err == nil {
			return true, nil
		}
	}
	return false, refuse(Attestation, "not from a trusted authenticator")
}

// trustPath returns the certificates of a statement, that of the authenticator first.
func trustPath(o protocol.AttestationObject) ([]*x509.Certificate, error) {
	list, _ := o.AttStatement["x5c"].([]any)
	if len(list) == 0 {
		return nil, refuse(Attestation, "an attestation with certificates is demanded")
	}
	path := make([]*x509.Certificate, 0, len(list))
	for _, v := range list {
		der, _ := v.([]byte)
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, refuse(Attestation, "a certificate: %v", err)
		}
		path = append(path, cert)
	}
	// The certificate of a TPM names it in a critical extension (WebAuthn §8.3.1), which crypto/x509 does not read and
	// go-webauthn has checked.
	path[0].UnhandledCriticalExtensions = slices.DeleteFunc(path[0].UnhandledCriticalExtensions, func(id asn1.ObjectIdentifier) bool {
		return id.Equal(alternativeName)
	})
	return path, nil
}

var alternativeName = asn1.ObjectIdentifier{2, 5, 29, 17}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}
