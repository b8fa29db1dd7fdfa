// Package ceremony makes the options of WebAuthn ceremonies and verifies what browsers answer, by W3C WebAuthn Level 3
// §7.1 and §7.2. It knows no account and keeps nothing: a [Ceremony] is made once from a [Party].
//
// The order of a call is parse, open the challenge that was found, verify. Parsing says nothing about who answers; only
// [Registration.Verify] and [Assertion.Verify] do. Freshness of the challenge, the session that asked for it and the
// signature counter are left to the caller, who keeps what they are compared with.
//
// The JSON, the client data and the shape of the key are read here, more strictly than go-webauthn does. Authenticator
// data, signatures and attestation statements are go-webauthn's.
package ceremony

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Bounds of what is read. A response of an attested TPM key has some 6 KiB.
const (
	MaxResponse   = 64 << 10 // bytes of JSON
	MaxCredential = 1023     // bytes of a credential ID, WebAuthn §4
	maxChallenge  = 4096     // bytes
	maxHandle     = 64       // bytes, WebAuthn §5.4.3
)

// A Party is the Relying Party: who asks for credentials, and from where answers are taken.
type Party struct {
	ID   string // RP ID: a domain, in lower case
	Name string // shown by some authenticators

	// Origins are compared byte for byte with the origin that the browser names: "https://app.acme.test", or
	// "android:apk-key-hash:" with the unpadded base64url of the certificate's SHA-256. A web origin is the RP ID or
	// a subdomain of it.
	Origins []string
	// Related are web origins of other domains, which the RP ID's /.well-known/webauthn lists.
	Related []string
	// TopOrigins are pages that may show one of ours in a frame and use passkeys there. Defaults to none: an answer
	// from a frame of another origin is refused.
	TopOrigins []string

	// Trusted, if not empty, demands attestation: a new credential must come from one of these authenticators.
	Trusted []Trusted
}

// Trusted is a model of authenticators with the roots that its attestation must lead to.
type Trusted struct {
	AAGUID [16]byte // zero for FIDO U2F keys
	Roots  *x509.CertPool
}

// A Ceremony makes options and verifies responses. It is safe for concurrent use.
type Ceremony struct {
	party   Party
	idHash  [sha256.Size]byte
	origins []string
}

// New checks a Party, copies it and returns its Ceremony.
func New(p Party) (*Ceremony, error) {
	if err := domain(p.ID); err != nil {
		return nil, fmt.Errorf("RP ID %q: %w", p.ID, err)
	}
	if len(p.Origins) == 0 {
		return nil, errors.New("no origins")
	}
	for _, o := range p.Origins {
		host, err := originHost(o)
		if err != nil {
			return nil, fmt.Errorf("origin %q: %w", o, err)
		}
		if host != "" && host != p.ID && !strings.HasSuffix(host, "."+p.ID) {
			return nil, fmt.Errorf("origin %q is not of the RP ID %s: if the domain lists it in /.well-known/webauthn, it is a related origin", o, p.ID)
		}
	}
	for _, o := range slices.Concat(p.Related, p.TopOrigins) {
		if host, err := originHost(o); err != nil || host == "" {
			return nil, fmt.Errorf("origin %q: %w", o, errors.Join(err, errors.New("a web origin is needed")))
		}
	}
	for _, t := range p.Trusted {
		if t.Roots == nil {
			return nil, fmt.Errorf("trusted authenticator %x has no roots", t.AAGUID)
		}
	}
	p.TopOrigins, p.Trusted = slices.Clone(p.TopOrigins), slices.Clone(p.Trusted)
	return &Ceremony{party: p, idHash: sha256.Sum256([]byte(p.ID)), origins: slices.Concat(p.Origins, p.Related)}, nil
}

// domain refuses what no browser takes as an RP ID.
func domain(id string) error {
	if id == "" || len(id) > 253 {
		return errors.New("a domain has 1 to 253 characters")
	}
	if _, err := netip.ParseAddr(id); err == nil {
		return errors.New("an IP address cannot be an RP ID")
	}
	for label := range strings.SplitSeq(id, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("a domain has labels of a-z, 0-9 and - (names of other scripts as xn--)")
		}
	}
	return nil
}

const android = "android:apk-key-hash:"

// originHost returns the host of a web origin as browsers write it, and "" for an Android app.
func originHost(origin string) (string, error) {
	if hash, ok := strings.CutPrefix(origin, android); ok {
		if b, err := unbase64(hash); err != nil || len(b) != sha256.Size {
			return "", errors.New("an Android app has the unpadded base64url of a SHA-256")
		}
		return "", nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || origin != u.Scheme+"://"+u.Host {
		return "", errors.New("an origin is https:// and a host, without a path")
	}
	host, port := u.Hostname(), u.Port()
	if err := domain(host); err != nil {
		return "", err
	}
	if u.Scheme == "http" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		return "", errors.New("browsers have no WebAuthn without https, except on localhost")
	}
	if port == "" && u.Host != host || port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" || strings.HasPrefix(port, "0") {
		return "", errors.New("browsers leave out the port of the scheme")
	}
	return host, nil
}
