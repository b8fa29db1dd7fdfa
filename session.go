package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/redact"
)

const maxMethod = 32

// Session is one browser's session as the host knows it. Everything that an owner does goes through one.
type Session struct {
	// Account is the account that the host's session is signed in to. A proof of another account is refused, and with an
	// empty Account every proof is.
	Account string
	// Secret is any value that this session keeps and no other has: its ID, or a random value in it. It ties proofs to
	// the session: one that was made in it is refused without it and under any other. Defaults to no tie: then a proof
	// is worth the same in every session, so it must be kept where only its own session can read it.
	Secret string
	// Proof is what the owner has proven in it. Defaults to nothing.
	Proof Proof
	// Browser and NewBrowser are for package websession, which sets them; most other hosts do without them. Browser is what
	// this browser keeps across sessions, and NewBrowser a random secret that was made for this request, by
	// crypto/rand.Text for example; one with a dot in it counts as none. Once a second step was completed at a sign-in, or the
	// first factor enrolled, the account knows the browser for 90 days after its last second step: wrong codes from elsewhere
	// do not lock it out, and a sign-in from one that is not known is told as event.NewBrowser. It proves nothing. Default to
	// none: no browser is known, and none becomes so.
	Browser    string
	NewBrowser string
}

// Format prints the account, and neither a secret nor the proof.
func (s Session) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "session of %q, %s", s.Account, redact.Mark)
}

func (s Session) presented() engine.Session {
	return engine.Session{Account: s.Account, Secret: s.Secret, Proof: s.Proof.Reveal(), Browser: s.Browser, NewBrowser: s.NewBrowser}
}

type hiddenText = redact.Value[string]

// Proof says, sealed, who has authenticated, how, when, in which session, and on which state of the
// account's factors. It is a secret of the owner's session: keep it there, on the server or in a
// cookie that scripts cannot read. It is good for changes of factors for 5 minutes and for tokens for
// 15, and ends at once when factors or the host's password change. It prints as "[redacted]".
// The zero Proof proves nothing.
type Proof struct{ hiddenText }

// ParseProof returns the Proof that Reveal gave as text. It checks nothing: each method that
// takes the Proof does.
func ParseProof(s string) Proof { return Proof{redact.New(s)} }

// Reveal returns the proof as text, URL-safe and at most 4096 bytes.
func (p Proof) Reveal() string { return redact.Open(p.hiddenText) }

// FirstFactor is what the host vouches for.
type FirstFactor struct {
	// Method is how, as an RFC 8176 value where there is one, or "fed" for an identity provider: 1 to 32 bytes of a-z, 0-9
	// and _.
	Method string
	// At is when it was checked, by the server's clock. Defaults to since Before, but for "fed", which must have the
	// provider's auth_time: when the browser came back says nothing.
	At time.Time
	// External are the ways in which the host, or an identity provider that it asked, has checked a second factor, as RFC
	// 8176 values (the claim amr). One that Config.ExternalFactors names opens gates and guards that ask for a second
	// factor. It changes, removes and unlocks no factor. Without At it counts for nothing.
	External []string
}

var errInvalidMethod = fmt.Errorf("%w: the first factor's method is 1 to %d bytes of a-z, 0-9 and _", ErrInvalid, maxMethod)

func validMethod(m string) bool {
	if m == "" || len(m) > maxMethod {
		return false
	}
	for i := range len(m) {
		if c := m[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

func (s *Service) sealProof(ctx context.Context, p core.Proof) (Proof, error) {
	text, err := s.e.Seal(ctx, engine.PurposeProof, p)
	if err != nil {
		return Proof{}, err
	}
	return ParseProof(text), nil
}

// ProofInfo is what a good proof says.
type ProofInfo struct {
	AccountID    string
	Method       string    // an RFC 8176 value where there is one
	At           time.Time // when the owner was there
	SecondFactor bool      // or one of Config.ExternalFactors

	PhishingResistant bool // a passkey has proven it
	UserVerified      bool // and has verified its user
	// AMR are the ways in which it was proven, as RFC 8176 names them. Of a passkey: "hwk" if it cannot leave its device,
	// otherwise "swk", and "user"; "mfa" with any second factor.
	AMR []string
	// AAL is the authentication assurance level of NIST SP 800-63B-4, as far as is known here: 1, or 2 with a second factor;
	// 3 takes a passkey that has verified its user and cannot leave its device.
	AAL int
}

func proofInfo(p core.Proof) ProofInfo {
	i := ProofInfo{
		AccountID: p.Account, Method: p.Method, At: core.Time(p.At), SecondFactor: p.Kind == core.SecondFactor || p.External != "",
		PhishingResistant: p.Resistant, UserVerified: p.User, AMR: []string{p.Method}, AAL: 1,
	}
	if p.Resistant {
		i.AMR = append(i.AMR, "user") // whoever has a passkey was there
	}
	if p.External != "" {
		i.AMR = append(i.AMR, p.External)
	}
	if i.SecondFactor {
		i.AAL = 2
		if !slices.Contains(i.AMR, "mfa") {
			i.AMR = append(i.AMR, "mfa")
		}
	}
	if p.Resistant && p.User && p.Method == "hwk" {
		i.AAL = 3
	}
	return i
}

// CheckProof is for middleware, such as httpguard; few other hosts need it. It returns what a session's proof says, if
// it is valid and at most maxAge old; 0, and more than a day, is a day. It tells who is there and how they authenticated, and authorizes nothing: each method that
// takes a Session checks it by itself. ErrStepUpRequired says that it is not good, or no longer enough.
func (s *Service) CheckProof(ctx context.Context, in Session, maxAge time.Duration) (_ ProofInfo, err error) {
	defer s.e.Begin(&ctx, "gatehouse.Service.CheckProof").End(&err)
	if maxAge < 0 {
		return ProofInfo{}, fmt.Errorf("%w: a negative age", ErrInvalid)
	}
	if maxAge == 0 || maxAge > core.ProofLife {
		maxAge = core.ProofLife
	}
	p, err := s.e.Present(ctx, in.presented())
	if err != nil {
		return ProofInfo{}, err
	}
	a, err := s.e.Load(ctx, p.Account)
	if err != nil {
		return ProofInfo{}, err
	}
	if err := a.CheckProof(p, maxAge, s.e.Env()); err != nil {
		return ProofInfo{}, err
	}
	return proofInfo(p.Proof), nil
}

// Permissions is what an owner's proof is enough for. The zero Permissions is nothing.
type Permissions struct {
	Enroll  bool // BeginEnrollment without Replace
	Replace bool // BeginEnrollment with it, RegenerateRecoveryCodes, RemoveAuthenticator of a passkey
	Factors bool // RemoveAuthenticator of an app, DisableTwoFactor
	Revoke  bool // revoke tokens
	Tokens  bool // mint, rotate and renew tokens
}

// Permissions returns what a session's proof is enough for now, on an account as it was loaded, so that a page can ask
// for a code before it shows a form. A proof that is not valid is enough for nothing, which is no error. It authorizes nothing: each
// method checks the proof by itself.
func (s *Service) Permissions(ctx context.Context, a Account, in Session) (_ Permissions, err error) {
	defer s.e.Begin(&ctx, "gatehouse.Service.Permissions").End(&err)
	p, err := s.e.Present(ctx, in.presented())
	if errors.Is(err, ErrStepUpRequired) {
		return Permissions{}, nil
	}
	if err != nil {
		return Permissions{}, err
	}
	return Permissions(redact.Open(a.record).Permissions(p, s.e.Env())), nil
}
