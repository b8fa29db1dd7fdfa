// Package passkeytest has a virtual authenticator: a browser with a passkey provider, for unit tests without either.
//
//	phone := passkeytest.New("https://acme.test")
//	response, err := phone.Create(options) // what navigator.credentials.create would answer to a registration
//	response, err = phone.Get(options)     // and navigator.credentials.get to a sign-in
//
// Its fields say what kind of authenticator it is and what the person does; they may change between calls. With Tamper
// it signs something wrong. Its keys live in memory and protect nothing.
package passkeytest

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// The errors are named after the DOMException that a browser throws.
var (
	// ErrNotAllowed says that the person refused or waited too long, that no passkey fits, or that the person had to
	// be verified and was not.
	ErrNotAllowed = errors.New("NotAllowedError")
	// ErrInvalidState says that the authenticator has one of the credentials that the options exclude.
	ErrInvalidState = errors.New("InvalidStateError")
	// ErrSecurity says that the page may not use this RP ID.
	ErrSecurity = errors.New("SecurityError")
	// ErrNotSupported says that the options name no algorithm that the authenticator has.
	ErrNotSupported = errors.New("NotSupportedError")
)

// Algorithm is a COSE algorithm identifier.
type Algorithm int64

// The algorithms.
const (
	ES256 Algorithm = -7
	EdDSA Algorithm = -8
	RS256 Algorithm = -257
)

// Attestation is a kind of statement about a new credential. Browsers drop the statement where the options ask for
// none; this authenticator always sends it.
type Attestation int

// The kinds of attestation.
const (
	None        Attestation = iota
	Self                    // packed, signed by the new credential
	Certificate             // packed, signed by a key that a certificate chain leads to; see [Authenticator.Root]
)

// An Authenticator holds passkeys. It is not safe for concurrent use.
type Authenticator struct {
	Origin     string   // of the page, which the browser adds to what is signed
	Related    []string // RP IDs of other domains whose /.well-known/webauthn lists the origin
	Algorithm  Algorithm
	AAGUID     [16]byte
	Transports []string

	Discoverable bool   // new passkeys can be used without being named. Defaults to true.
	UserVerified bool   // the person gives the PIN or a finger. Defaults to true.
	Refuses      bool   // the person presses Cancel
	Eligible     bool   // passkeys may be copied to other devices
	BackedUp     bool   // and have been
	Count        uint32 // that of the next signature, which adds one. Zero: the authenticator does not count.

	Attestation Attestation

	// Choose is the ID of the credential that the person picks. Defaults to the newest that fits.
	Choose []byte
	// Tamper, if set, changes what is about to be signed: see [WrongOrigin] and the others.
	Tamper func(*Draft)

	passkeys []Passkey
	issuer   *issuer
}

// A Passkey is a credential of an Authenticator.
type Passkey struct {
	ID           []byte
	RPID         string
	Handle       []byte // of the account
	Name         string // of the account, as the options had it
	Discoverable bool

	key key
}

// New returns an authenticator behind a browser that shows a page of origin: a phone or a laptop that verifies the
// person and whose passkeys stay on it.
func New(origin string) *Authenticator {
	return &Authenticator{
		Origin: origin, Algorithm: ES256, Transports: []string{"internal", "hybrid"}, Discoverable: true, UserVerified: true,
	}
}

// Passkeys returns the credentials, the oldest first.
func (a *Authenticator) Passkeys() []Passkey { return slices.Clone(a.passkeys) }

// Forget removes a credential, as a person does in the provider's settings.
func (a *Authenticator) Forget(id []byte) {
	a.passkeys = slices.DeleteFunc(a.passkeys, func(p Passkey) bool { return bytes.Equal(p.ID, id) })
}

// Root returns the certificate that attestations of kind [Certificate] lead to.
func (a *Authenticator) Root() (*x509.Certificate, error) {
	if err := a.certify(); err != nil {
		return nil, err
	}
	return a.issuer.root, nil
}

func (a *Authenticator) certify() (err error) {
	if a.issuer == nil {
		a.issuer, err = newIssuer(a.AAGUID)
	}
	return err
}

// options are those members of both kinds of options that are used here.
type options struct {
	RP               struct{ ID string }
	RPID             string
	User             struct{ ID, Name string }
	Challenge        string
	PubKeyCredParams []struct{ Alg Algorithm }

	ExcludeCredentials, AllowCredentials []struct{ ID string }
	AuthenticatorSelection               struct{ UserVerification, ResidentKey string }
	UserVerification                     string
}

// parse reads options as the page gets them, with or without {"publicKey":…} around them.
func parse(text []byte) (options, error) {
	var outer struct{ PublicKey json.RawMessage }
	if err := json.Unmarshal(text, &outer); err != nil {
		return options{}, err
	}
	if outer.PublicKey != nil {
		text = outer.PublicKey
	}
	var o options
	if err := json.Unmarshal(text, &o); err != nil {
		return options{}, err
	}
	if _, err := base64.RawURLEncoding.DecodeString(o.Challenge); err != nil || o.Challenge == "" {
		return options{}, errors.New("passkeytest: options without a challenge in base64url")
	}
	return o, nil
}

// Create answers options for a new credential with the JSON of the response.
func (a *Authenticator) Create(text []byte) ([]byte, error) {
	o, err := parse(text)
	if err != nil {
		return nil, err
	}
	if err := a.allowed(o.RP.ID, o.AuthenticatorSelection.UserVerification); err != nil {
		return nil, err
	}
	for _, p := range a.passkeys {
		if p.RPID == o.RP.ID && named(o.ExcludeCredentials, p.ID) {
			return nil, ErrInvalidState
		}
	}
	if !slices.ContainsFunc(o.PubKeyCredParams, func(p struct{ Alg Algorithm }) bool { return p.Alg == a.Algorithm }) {
		return nil, ErrNotSupported
	}
	if o.AuthenticatorSelection.ResidentKey == "required" && !a.Discoverable {
		return nil, ErrNotAllowed
	}
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		return nil, err
	}
	k, err := newKey(a.Algorithm)
	if err != nil {
		return nil, err
	}
	p := Passkey{ID: make([]byte, 32), RPID: o.RP.ID, Handle: handle, Name: o.User.Name, Discoverable: a.Discoverable, key: k}
	if _, err := rand.Read(p.ID); err != nil {
		return nil, err
	}
	response, err := a.created(p, o.Challenge)
	if err != nil {
		return nil, err
	}
	a.passkeys = append(a.passkeys, p)
	return response, nil
}

// Get answers options for a sign-in with the JSON of the response.
func (a *Authenticator) Get(text []byte) ([]byte, error) {
	o, err := parse(text)
	if err != nil {
		return nil, err
	}
	if err := a.allowed(o.RPID, o.UserVerification); err != nil {
		return nil, err
	}
	for _, p := range slices.Backward(a.passkeys) {
		fits := p.Discoverable
		if len(o.AllowCredentials) > 0 {
			fits = named(o.AllowCredentials, p.ID)
		}
		if fits && p.RPID == o.RPID && (a.Choose == nil || bytes.Equal(a.Choose, p.ID)) {
			return a.asserted(p, o.Challenge)
		}
	}
	return nil, ErrNotAllowed
}

// allowed does what a browser does before it asks the authenticator, and what the person does then.
func (a *Authenticator) allowed(id, verification string) error {
	u, err := url.Parse(a.Origin)
	if err != nil {
		return err
	}
	host := u.Hostname()
	if u.Scheme != "android" && host != id && !strings.HasSuffix(host, "."+id) && !slices.Contains(a.Related, id) {
		return ErrSecurity
	}
	if a.Refuses || verification == "required" && !a.UserVerified {
		return ErrNotAllowed
	}
	return nil
}

func named(list []struct{ ID string }, id []byte) bool {
	return slices.ContainsFunc(list, func(d struct{ ID string }) bool { return d.ID == encode(id) })
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func hash(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:]
}
