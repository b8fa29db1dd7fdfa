package passkey

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
)

// Config says for which sites and apps the passkeys of a Service are.
type Config struct {
	// RPID is the domain to which passkeys are bound, such as "acme.test": they work on it and on its subdomains. Choose the
	// domain that you will keep: under another one every passkey has to be made again. "localhost" is for development.
	// There is no default.
	RPID string

	// RPName is what some browsers and providers show. Defaults to RPID.
	RPName string

	// Origins are where your pages and apps ask for passkeys, as browsers write them: "https://login.acme.test", with the
	// port where it is not 443. The host is RPID or a subdomain of it; http will do for localhost and its subdomains. An
	// Android app's is "android:apk-key-hash:" and the SHA-256 of its signing certificate in base64url without padding; an
	// iOS app comes with "https://" and RPID. Name only those that serve nothing but your own pages: whoever has a page on one of
	// them can ask your users for passkeys. There is no default.
	Origins []string

	// RelatedOrigins are those on other domains. Browsers let them in if RPID serves [Service.RelatedOrigins] as
	// /.well-known/webauthn, and need not accept more than five names (acme.test and acme.example have one name, acme). Defaults
	// to none.
	RelatedOrigins []string

	// Trusted are the models of authenticators from which passkeys are accepted, by their attestation. It refuses all that attest
	// nothing: the passkeys of phones, browsers and password managers, for example. Defaults to none: any model.
	Trusted []Trusted
}

// Trusted is a model of authenticators.
type Trusted struct {
	AAGUID string // a UUID, as its maker or the FIDO Metadata Service lists it; empty for FIDO U2F keys, which have none
	Roots  *x509.CertPool
}

const maxName = 100 // bytes of RPName

// ceremony returns the ceremonies that a Config is for.
func (c Config) ceremony() (*ceremony.Ceremony, error) {
	if c.RPName == "" {
		c.RPName = c.RPID
	}
	if len(c.RPName) > maxName {
		return nil, fmt.Errorf("%w: RPName has at most %d bytes", gatehouse.ErrInvalid, maxName)
	}
	p := ceremony.Party{ID: c.RPID, Name: c.RPName, Origins: slices.Clone(c.Origins), Related: slices.Clone(c.RelatedOrigins)}
	for _, t := range c.Trusted {
		id := uuid.Nil
		if t.AAGUID != "" {
			var err error
			if id, err = uuid.Parse(t.AAGUID); err != nil {
				return nil, fmt.Errorf("%w: Trusted: an AAGUID is a UUID", gatehouse.ErrInvalid)
			}
		}
		p.Trusted = append(p.Trusted, ceremony.Trusted{AAGUID: id, Roots: t.Roots})
	}
	made, err := ceremony.New(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", gatehouse.ErrInvalid, err)
	}
	return made, nil
}
