package attack_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// callsNothing has the methods that call neither store nor keys, sealer or host.
var callsNothing = map[string]string{
	"Service.Owner":             "keeps the proof for the methods",
	"Service.Operator":          "keeps the name for the methods",
	"Service.Stats":             "returns counts of the process",
	"SignIn.ExpectSecondFactor": "keeps it for the methods",
	"Operator.Because":          "keeps the reason for the methods",
	"Service.Permissions":       "is played as the owner's",
	"tokens.Service.Policy":     "returns what New was told",
	"tokens.Service.Operator":   "keeps the name for the methods",
	"tokens.Service.Of":         "compares",
	"posture.Service.Of":        "compares",
	"tokens.Service.As":         "calculates",
	"tokens.Service.Live":       "is played by the reviews and mintings, which call it",
	"posture.Service.Operator":  "keeps the name for the methods",
	"posture.Service.ReviewOf":  "is played by Review, but for reading what it is given",
	"posture.Service.PreviewOf": "is played by Preview, but for reading what it is given",
}

// prepared is what the plays begin with.
type prepared struct {
	h            *house
	ada, phone   *owner // one account with two authenticators
	lola         *owner // whose TOTP is locked
	rex          *owner // who was reset
	adas         gatehouse.Proof
	plain, pia   gatehouse.Proof // of accounts without a second factor; pia's enrollment is pending
	pending      gatehouse.Enrollment
	piaKey       *owner
	lolas        gatehouse.Proof
	newest       int64  // the number of the last entry of ada's activity
	codes        string // the ID of ada's set
	operatorCode string
	challenge    string            // of ada
	rexes        string            // a challenge of rex
	ci, robot    string            // tokens of ada
	reused       string            // a copy of one that was rotated
	ids          map[string]string // of tokens, by their names
}

func prepare(t *testing.T) *prepared {
	t.Helper()
	ctx := context.Background()
	f := &hostFacts{host: posture.Host{EmailVerified: posture.Yes}}
	policy := policyOf(t, posture.ModelConfig{}, gates...)
	h := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.Addresses = true }), judged(t, policy, f))
	f.do = func() { f.host.At = h.clock() }
	p := &prepared{h: h, ids: map[string]string{}}
	p.rex, p.lola, p.ada = h.enroll("rex"), h.enroll("lola"), h.enroll("ada")
	p.phone = p.ada.second()
	h.wait(totp.Period)
	mint := func(name, scopes string, edit func(*tokens.Request)) (text string) {
		text, info := p.ada.mint(scopes, func(r *tokens.Request) { r.Name = name }, edit)
		p.ids[name] = info.ID
		return text
	}
	p.ci = mint("ci", "projects:read", func(r *tokens.Request) { r.Lifetime = 10 * day })
	p.robot = mint("robot", "projects:read", func(r *tokens.Request) { r.RotatesItself = true })
	p.reused = mint("old", "logs:read", func(*tokens.Request) {})
	_, err := h.Owner(p.ada.fresh()).Rotate(ctx, p.ids["old"], tokens.Rotation{})
	require.NoError(t, err)
	mint("ended", "projects:read", func(r *tokens.Request) { r.Lifetime = time.Minute })
	h.wait(2 * time.Minute)
	h.review("ada") // so that a level is kept that changes can move

	code, err := h.Operator("op").Reset(ctx, "rex")
	require.NoError(t, err)
	p.operatorCode, p.rexes = code.Reveal(), p.rex.challenge()
	p.plain, p.pia = h.vouch("plain"), h.vouch("pia")
	p.pending, err = h.Owner(p.pia).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "pia"})
	require.NoError(t, err)
	p.piaKey = &owner{h: h, id: "pia", key: keyOf(p.pending, 6)}
	h.wait(totp.Period)
	p.ada.untag() // so that wrong codes go the whole way
	p.adas = p.ada.stepUp(p.ada.code())
	p.challenge = p.ada.challenge()
	st, err := h.Account(ctx, "ada")
	require.NoError(t, err)
	p.codes = st.RecoveryCodes.ID
	activity, err := h.Activity(ctx, "ada")
	require.NoError(t, err)
	p.newest = activity[0].Number
	p.lolas = p.lola.stepUp(p.lola.codes[0].Reveal())
	p.lola.fails(6)
	return p
}

var newKey = keyring.Generate().Reveal()

// twoKeys has a service whose primary key is a new one.
func twoKeys(c *settings) {
	s := c.Sealer.(watchedSealer)
	both, err := keyring.Parse(newKey + "\n" + s.Ring.Reveal())
	if err != nil {
		panic(err)
	}
	c.Sealer = watchedSealer{both, s.d}
}

func keepReused(c *settings) {
	policy := *c.Tokens
	policy.KeepReused = true
	c.Tokens = &policy
}

// beginAll begins a sign-in to each account.
func beginAll(ctx context.Context, w *world) (err error) {
	w.before = map[string]gatehouse.SignIn{}
	for _, r := range w.records() {
		if w.before[r.ID], err = w.Before(ctx, r.ID); err != nil {
			return err
		}
	}
	return nil
}

func createBot(ctx context.Context, w *world) error {
	return w.op().CreateServiceAccount(ctx, "bot", "ada")
}

// withBot gives a service account a token that lives for a time, and waits a little longer if that is a minute.
func withBot(life time.Duration) func(ctx context.Context, w *world) error {
	return func(ctx context.Context, w *world) (err error) {
		if err := createBot(ctx, w); err != nil {
			return err
		}
		w.bot, err = w.op().Mint(ctx, "bot", tokens.Request{Name: "robot", Scopes: tokens.Scopes{"projects:read"}, RotatesItself: true, Lifetime: life})
		if life == time.Minute {
			w.wait(2 * life)
		}
		return err
	}
}

func revokeCI(ctx context.Context, w *world) error { return w.op().Revoke(ctx, w.ids["ci"]) }

var office, cafe = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.7")

// guesses gives a wrong code some times.
func (w *world) guesses(ctx context.Context, account, code string, n int) error {
	for range n {
		if _, err := w.StepUp(ctx, account, code); !errors.Is(err, gatehouse.ErrDenied) {
			return fmt.Errorf("not denied: %w", err)
		}
	}
	return nil
}

func (w *world) as(p gatehouse.Proof) face {
	if w.unproven {
		p = gatehouse.Proof{}
	}
	return w.Owner(p)
}

func (w *world) op() operators {
	if w.unproven {
		return w.Operator("").Because("ticket 9")
	}
	return w.Operator("op").Because("ticket 9")
}

var importedSecret = totp.GenerateSecret()

// plays has a call of every method that does something, and those that are refused after a look at something.
var plays = []play{
	{method: "SignIn.Vouch/checked before", run: func(ctx context.Context, w *world) (any, error) {
		return w.Attest(ctx, "new", gatehouse.FirstFactor{Method: "pwd", At: w.clock()})
	}},
	{method: "Service.Before", run: func(ctx context.Context, w *world) (any, error) { return w.Before(ctx, "ada") }},
	{method: "SignIn.Challenge", run: func(ctx context.Context, w *world) (any, error) {
		return w.before["ada"].ExpectSecondFactor().Challenge(ctx)
	}, first: beginAll},
	{method: "SignIn.Challenge/of a password that is over", want: gatehouse.ErrDenied, first: func(ctx context.Context, w *world) error {
		return errors.Join(beginAll(ctx, w), w.op().PasswordChanged(ctx, "ada", gatehouse.KeepTokens))
	}, run: func(ctx context.Context, w *world) (any, error) { return w.before["ada"].Challenge(ctx) }},
	{method: "SignIn.Challenge/the second factor is missing", want: &gatehouse.MissingError{AccountID: "plain"}, first: beginAll,
		run: func(ctx context.Context, w *world) (any, error) {
			return w.before["plain"].ExpectSecondFactor().Challenge(ctx)
		}},
	{method: "SignIn.Vouch", first: beginAll, run: func(ctx context.Context, w *world) (any, error) {
		return w.before["plain"].Vouch(ctx, gatehouse.Session{Account: "plain"}, gatehouse.FirstFactor{Method: "pwd", At: w.clock()})
	}},
	{method: "SignIn.Vouch/the second factor is missing", want: &gatehouse.MissingError{AccountID: "plain"}, first: beginAll,
		run: func(ctx context.Context, w *world) (any, error) {
			return w.before["plain"].ExpectSecondFactor().Vouch(ctx, gatehouse.Session{Account: "plain"}, gatehouse.FirstFactor{Method: "pwd", At: w.clock()})
		}},
	{method: "SignIn.Challenge/of a protected account", run: func(ctx context.Context, w *world) (any, error) { return w.Challenge(ctx, "ada") }},
	{method: "SignIn.Challenge/not needed", run: func(ctx context.Context, w *world) (any, error) { return w.Challenge(ctx, "plain") }},
	{method: "Service.CheckChallenge", run: func(ctx context.Context, w *world) (any, error) { return w.CheckChallenge(ctx, w.challenge) }},
	{method: "Service.Answer", run: func(ctx context.Context, w *world) (any, error) {
		return w.Answer(ctx, w.challenge, w.phone.code())
	}},
	{method: "Service.Answer/a new browser", run: func(ctx context.Context, w *world) (any, error) {
		return w.Service.Answer(ctx, gatehouse.Session{NewBrowser: "its secret"}, w.challenge, w.phone.code())
	}},
	{method: "Service.Answer/a recovery code", run: func(ctx context.Context, w *world) (any, error) {
		return w.Answer(ctx, w.challenge, w.ada.codes[3].Reveal())
	}},
	{method: "Service.Answer/a wrong code", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.Answer(ctx, w.challenge, w.ada.wrong())
	}},
	{method: "Service.Answer/a wrong recovery code", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.Answer(ctx, w.challenge, w.ada.wrongRecovery(true))
	}},
	{method: "Service.Answer/no code", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.Answer(ctx, w.challenge, "no code of any kind")
	}},
	{method: "Service.Answer/a used code", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.Answer(ctx, w.challenge, w.ada.code())
	}},
	{method: "Service.Answer/a stale challenge", want: gatehouse.ErrDenied, first: func(ctx context.Context, w *world) error {
		return w.op().PasswordChanged(ctx, "ada", gatehouse.KeepTokens)
	}, run: func(ctx context.Context, w *world) (any, error) { return w.Answer(ctx, w.challenge, w.phone.code()) }},
	{method: "Service.StepUp/the last free failure", want: gatehouse.ErrDenied, first: func(ctx context.Context, w *world) error {
		return w.guesses(ctx, "ada", w.ada.wrong(), 2)
	}, run: func(ctx context.Context, w *world) (any, error) { return w.StepUp(ctx, "ada", w.ada.wrong()) }},
	{method: "Service.StepUp/locked", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.StepUp(ctx, "lola", w.lola.code())
	}},
	{method: "Service.StepUp/the twentieth failure", want: gatehouse.ErrDenied, first: func(ctx context.Context, w *world) error {
		for range 13 {
			w.wait(2 * time.Hour)
			if err := w.guesses(ctx, "lola", w.lola.wrong(), 1); err != nil {
				return err
			}
		}
		w.wait(2 * time.Hour)
		return nil
	}, run: func(ctx context.Context, w *world) (any, error) { return w.StepUp(ctx, "lola", w.lola.wrong()) }},
	{method: "Service.StepUp/the last free recovery code", want: gatehouse.ErrDenied, first: func(ctx context.Context, w *world) error {
		return w.guesses(ctx, "ada", w.ada.wrongRecovery(true), 9)
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.StepUp(ctx, "ada", w.ada.wrongRecovery(true))
	}},
	{method: "Service.StepUp/few recovery codes are left", first: func(ctx context.Context, w *world) (err error) {
		for i := 0; i < 7 && err == nil; i++ {
			_, err = w.StepUp(ctx, "ada", w.ada.codes[i].Reveal())
		}
		return err
	}, run: func(ctx context.Context, w *world) (any, error) { return w.StepUp(ctx, "ada", w.ada.codes[7].Reveal()) }},
	{method: "Service.StepUp", run: func(ctx context.Context, w *world) (any, error) { return w.StepUp(ctx, "ada", w.phone.code()) }},
	{method: "Service.StepUp/a recovery code", run: func(ctx context.Context, w *world) (any, error) {
		return w.StepUp(ctx, "ada", w.ada.codes[3].Reveal())
	}},
	{method: "Service.RedeemOperatorCode", run: func(ctx context.Context, w *world) (any, error) {
		return w.RedeemOperatorCode(ctx, w.rexes, w.operatorCode)
	}},
	{method: "Service.RedeemOperatorCode/a wrong code", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.RedeemOperatorCode(ctx, w.rexes, w.ada.codes[0].Reveal())
	}},
	{method: "Service.Resync", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.Resync(ctx, w.challenge, w.phone.auth, w.phone.code(5), w.phone.code(6)))
	}},
	{method: "Service.CheckProof", run: func(ctx context.Context, w *world) (any, error) { return w.CheckProof(ctx, w.adas, 0) }},
	{method: "Service.Account", run: func(ctx context.Context, w *world) (any, error) { return w.Account(ctx, "ada") }},
	{method: "Service.Account/its activity", run: func(ctx context.Context, w *world) (any, error) { return w.Activity(ctx, "ada") }},
	{method: "posture.Service.Review", run: func(ctx context.Context, w *world) (any, error) { return w.Review(ctx, "lola") }},
	{method: "posture.Service.Review/by other rules", edit: func(c *settings) {
		m, err := posture.NewModel(posture.ModelConfig{Version: "2"})
		if err == nil {
			c.Posture, err = posture.NewPolicy(m)
		}
		if err != nil {
			panic(err)
		}
	}, run: func(ctx context.Context, w *world) (any, error) { return w.Review(ctx, "ada") }},
	{method: "posture.Service.History", run: func(ctx context.Context, w *world) (any, error) { return w.History(ctx, "ada") }},
	{method: "posture.Service.Require", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.Require(ctx, w.adas, "deploy.public"))
	}},
	{method: "posture.Service.Preview", run: func(ctx context.Context, w *world) (any, error) {
		return w.Preview(ctx, "ada", (*posture.Trial).DisableTwoFactor, (*posture.Trial).AddAuthenticator)
	}},
	{method: "tokens.Service.List", run: func(ctx context.Context, w *world) (any, error) { return w.Tokens(ctx, "ada") }},
	{method: "tokens.Service.Get", run: func(ctx context.Context, w *world) (any, error) { return w.Token(ctx, "ada", w.ids["ci"]) }},
	{method: "tokens.Service.Check", run: func(ctx context.Context, w *world) (any, error) { return w.Check(ctx, w.ci) }},
	{method: "tokens.Service.Check/from an address", run: func(ctx context.Context, w *world) (any, error) {
		return w.Check(ctx, w.ci, (office))
	}},
	{method: "tokens.Service.Check/again", first: func(ctx context.Context, w *world) error {
		_, err := w.Check(ctx, w.ci, (office))
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.Check(ctx, w.ci, (office))
	}},
	{method: "tokens.Service.Check/from a new address", first: func(ctx context.Context, w *world) error {
		_, err := w.Check(ctx, w.ci, (office))
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.Check(ctx, w.ci, (cafe))
	}},
	{method: "tokens.Service.Check/a revoked one", want: gatehouse.ErrDenied, first: revokeCI,
		run: func(ctx context.Context, w *world) (any, error) { return w.Check(ctx, w.ci) }},
	{method: "tokens.Service.Check/a rotated copy from an address", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.Check(ctx, w.reused, (cafe))
	}},
	{method: "tokens.Service.Check/a rotated copy, which is only told", want: gatehouse.ErrDenied, edit: keepReused,
		run: func(ctx context.Context, w *world) (any, error) { return w.Check(ctx, w.reused) }},
	{method: "tokens.Service.Check/a rotated copy", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.Check(ctx, w.reused)
	}},
	{method: "tokens.Service.Check/an unknown one", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.Check(ctx, tokens.Generate("acme", "pat").Reveal())
	}},
	{method: "tokens.Service.RotateSelf", run: func(ctx context.Context, w *world) (any, error) {
		return w.RotateSelf(ctx, w.robot, tokens.Rotation{Grace: time.Minute})
	}},
	{method: "tokens.Service.RotateSelf/a copy in its grace", want: gatehouse.ErrDenied, first: func(ctx context.Context, w *world) error {
		_, err := w.RotateSelf(ctx, w.robot, tokens.Rotation{Grace: time.Minute})
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.RotateSelf(ctx, w.robot, tokens.Rotation{})
	}},
	{method: "tokens.Service.RotateSelf/a rotated copy", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.RotateSelf(ctx, w.reused, tokens.Rotation{})
	}},
	{method: "tokens.Service.RevokePresented", run: func(ctx context.Context, w *world) (any, error) { return done(w.RevokePresented(ctx, w.ci)) }},
	{method: "tokens.Service.RevokePresented/a revoked one", first: revokeCI,
		run: func(ctx context.Context, w *world) (any, error) { return done(w.RevokePresented(ctx, w.ci)) }},
	{method: "tokens.Service.RevokePresented/a rotated copy", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.RevokePresented(ctx, w.reused))
	}},
	{method: "tokens.Service.RevokePresented/an unknown one", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.RevokePresented(ctx, tokens.Generate("acme", "pat").Reveal()))
	}},
	{method: "Service.Close", first: func(ctx context.Context, w *world) error {
		_, err := w.Check(ctx, w.ci)
		return err
	}, run: func(ctx context.Context, w *world) (any, error) { return done(w.Close(ctx)) }},

	{method: "Owner.Permissions", run: func(ctx context.Context, w *world) (any, error) { return w.as(w.adas).Permissions(ctx) }},
	{method: "Owner.BeginEnrollment", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.plain).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	}},
	{method: "Owner.BeginEnrollment/a third", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Name: "Third", Replace: w.phone.auth})
	}},
	{method: "Owner.BeginEnrollment/again", first: func(ctx context.Context, w *world) (err error) {
		w.replacement, err = w.Owner(w.plain, "here").BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		p := w.plain
		if w.unproven {
			p = gatehouse.Proof{}
		}
		return w.Owner(p, "here").BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Resume: w.replacement.ID})
	}},
	{method: "Owner.ConfirmEnrollment", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.pia).ConfirmEnrollment(ctx, w.pending.ID, w.piaKey.code())
	}},
	{method: "Owner.ConfirmEnrollment/a wrong code", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.pia).ConfirmEnrollment(ctx, w.pending.ID, w.piaKey.wrong())
	}},
	{method: "Owner.ConfirmEnrollment/the tenth wrong code", want: gatehouse.ErrDenied, first: func(ctx context.Context, w *world) error {
		for range 9 {
			if _, err := w.as(w.pia).ConfirmEnrollment(ctx, w.pending.ID, w.piaKey.wrong()); !errors.Is(err, gatehouse.ErrDenied) {
				return err
			}
		}
		return nil
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.pia).ConfirmEnrollment(ctx, w.pending.ID, w.piaKey.wrong())
	}},
	{method: "Owner.ConfirmEnrollment/a replacement", first: func(ctx context.Context, w *world) (err error) {
		w.replacement, err = w.as(w.adas).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Name: "New", Replace: w.phone.auth})
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		o := &owner{h: w.house, key: keyOf(w.replacement, 6)}
		return w.as(w.adas).ConfirmEnrollment(ctx, w.replacement.ID, o.code())
	}},
	{method: "Owner.BeginEnrollment/in the place of another", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.pia).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "pia"})
	}},
	{method: "Owner.CancelEnrollment", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.pia).CancelEnrollment(ctx, w.pending.ID))
	}},
	{method: "Owner.AcknowledgeRecoveryCodes", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.adas).AcknowledgeRecoveryCodes(ctx, w.codes))
	}},
	{method: "Owner.RegenerateRecoveryCodes", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).RegenerateRecoveryCodes(ctx)
	}},
	{method: "Owner.RenameAuthenticator", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.adas).RenameAuthenticator(ctx, w.ada.auth, "Other"))
	}},
	{method: "Owner.RemoveAuthenticator", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).RemoveAuthenticator(ctx, w.ada.auth)
	}},
	{method: "Owner.DisableTwoFactor", run: func(ctx context.Context, w *world) (any, error) { return w.as(w.adas).DisableTwoFactor(ctx) }},
	{method: "Owner.Unlock", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.lolas).Unlock(ctx, event.MethodTOTP))
	}},
	{method: "Owner.ReviewActivity", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.adas).ReviewActivity(ctx, w.newest))
	}},
	{method: "Owner.Mint", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).Mint(ctx, tokens.Request{Name: "new", Scopes: tokens.Scopes{"logs:read"}})
	}},
	{method: "Owner.Rotate", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).Rotate(ctx, w.ids["ci"], tokens.Rotation{Grace: time.Hour})
	}},
	{method: "Owner.Renew", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).Renew(ctx, w.ids["ended"], time.Hour)
	}},
	{method: "Owner.Revoke", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.adas).Revoke(ctx, w.ids["ci"]))
	}},
	{method: "Owner.Revoke/again", first: revokeCI, run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.adas).Revoke(ctx, w.ids["ci"]))
	}},
	{method: "Owner.RevokeAll", run: func(ctx context.Context, w *world) (any, error) { return done(w.as(w.adas).RevokeAll(ctx)) }},

	{method: "Operator.Reset", run: func(ctx context.Context, w *world) (any, error) { return w.op().Reset(ctx, "ada") }},
	{method: "Operator.Unlock", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().Unlock(ctx, "lola", event.MethodTOTP))
	}},
	{method: "Operator.Suspend", run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Suspend(ctx, "ada")) }},
	{method: "Operator.Unlock/what is open", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().Unlock(ctx, "ada", event.MethodTOTP))
	}},
	{method: "Operator.Suspend/again", first: func(ctx context.Context, w *world) error { return w.op().Suspend(ctx, "ada") },
		run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Suspend(ctx, "ada")) }},
	{method: "Operator.Resume/what is not suspended", run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Resume(ctx, "ada")) }},
	{method: "Operator.Resume", first: func(ctx context.Context, w *world) error { return w.op().Suspend(ctx, "ada") },
		run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Resume(ctx, "ada")) }},
	{method: "Operator.PasswordChanged", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().PasswordChanged(ctx, "ada", gatehouse.RevokeTokens))
	}},
	{method: "websession.EndSessions", run: func(ctx context.Context, w *world) (any, error) {
		return done(engine.Of(w.Service).Change(ctx, "ada", engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
			return a.EndSessions(nil, nil, env), nil
		}}))
	}},
	{method: "websession.EndSession", run: func(ctx context.Context, w *world) (any, error) {
		return done(engine.Of(w.Service).Change(ctx, "ada", engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
			return a.SessionEnded(env), nil
		}}))
	}},
	{method: "websession.SignIn.Begin/by the password alone", first: beginAll, run: func(ctx context.Context, w *world) (any, error) {
		ctx = event.WithClient(ctx, event.Client{Address: netip.MustParseAddr("203.0.113.24"), Agent: "firefox/linux"})
		proof, _, err := engine.SignIn(ctx, w.before["plain"], gatehouse.Session{Account: "plain"}, gatehouse.FirstFactor{Method: "pwd"}, engine.SignedIn{})
		if err != nil {
			return nil, err
		}
		return proof, nil
	}},
	{method: "Operator.DeleteAccount", run: func(ctx context.Context, w *world) (any, error) {
		return done(deleted(w.op().DeleteAccount(ctx, "ada")))
	}},
	{method: "Operator.Import", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Import(ctx, "imported", importing(gatehouse.ImportAuthenticator{Secret: importedSecret}))
	}},
	{method: "Operator.Import/with codes", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Import(ctx, "imported", importedWithCodes())
	}},
	{method: "Operator.Import/again, with more", first: func(ctx context.Context, w *world) error {
		_, err := w.op().Import(ctx, "imported", importing(gatehouse.ImportAuthenticator{Secret: importedSecret}))
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Import(ctx, "imported", importedWithCodes())
	}},
	{method: "Operator.Import/closes", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Import(ctx, "imported", gatehouse.Import{Close: true})
	}},
	{method: "Service.StepUp/an imported code of eight digits", first: func(ctx context.Context, w *world) error {
		_, err := w.op().Import(ctx, "imported", importedWithCodes())
		return err
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.StepUp(ctx, "imported", "12345678")
	}},
	{method: "Operator.PasswordChanged/tokens stay", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().PasswordChanged(ctx, "pia", gatehouse.KeepTokens))
	}},
	{method: "Operator.AcceptRisk", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().AcceptRisk(ctx, "ada", posture.SecondAuthenticator, time.Time{}))
	}},
	{method: "Operator.WithdrawRisk", first: func(ctx context.Context, w *world) error {
		return w.op().AcceptRisk(ctx, "ada", posture.SecondAuthenticator, time.Time{})
	}, run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().WithdrawRisk(ctx, "ada", posture.SecondAuthenticator))
	}},
	{method: "Operator.Revoke", run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Revoke(ctx, w.ids["ci"])) }},
	{method: "Operator.Revoke/again", first: revokeCI,
		run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Revoke(ctx, w.ids["ci"])) }},
	{method: "Operator.CreateServiceAccount", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().CreateServiceAccount(ctx, "bot", "ada"))
	}},
	{method: "Operator.CreateServiceAccount/of an owner without a record", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().CreateServiceAccount(ctx, "bot", "acme"))
	}},
	{method: "Operator.CreateServiceAccount/of a person", want: gatehouse.ErrPrecondition, run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().CreateServiceAccount(ctx, "plain", "ada"))
	}},
	{method: "Operator.Mint", first: createBot, run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Mint(ctx, "bot", tokens.Request{Name: "deploys", Scopes: tokens.Scopes{"projects:write"}})
	}},
	{method: "Operator.Mint/for a person", want: gatehouse.ErrPrecondition, run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Mint(ctx, "ada", tokens.Request{Name: "deploys", Scopes: tokens.Scopes{"logs:read"}})
	}},
	{method: "Operator.Rotate", first: withBot(day), run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Rotate(ctx, w.bot.Info.ID, tokens.Rotation{Grace: time.Hour})
	}},
	{method: "Operator.Renew", first: withBot(time.Minute), run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Renew(ctx, w.bot.Info.ID, time.Hour)
	}},
	{method: "tokens.Service.RotateSelf/of a service account", first: withBot(day), run: func(ctx context.Context, w *world) (any, error) {
		return w.RotateSelf(ctx, w.bot.Token.Reveal(), tokens.Rotation{})
	}},
	{method: "tokens.Service.Check/of a service account", first: withBot(day), run: func(ctx context.Context, w *world) (any, error) {
		return w.Check(ctx, w.bot.Token.Reveal())
	}},
	{method: "SignIn.Challenge/of a service account", want: gatehouse.ErrDenied, first: createBot, run: func(ctx context.Context, w *world) (any, error) {
		return w.Challenge(ctx, "bot")
	}},
	{method: "Operator.Suspend/an owner of a service account", first: createBot, run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().Suspend(ctx, "ada"))
	}},
	{method: "Operator.Resume/a service account", first: func(ctx context.Context, w *world) error {
		return errors.Join(createBot(ctx, w), w.op().Suspend(ctx, "bot"))
	}, run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Resume(ctx, "bot")) }},
	{method: "Operator.Resume/a service account of a suspended owner", want: gatehouse.ErrPrecondition, first: func(ctx context.Context, w *world) error {
		return errors.Join(createBot(ctx, w), w.op().Suspend(ctx, "ada"))
	}, run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Resume(ctx, "bot")) }},
	{method: "Operator.DeleteAccount/a service account", first: withBot(day), run: func(ctx context.Context, w *world) (any, error) {
		return done(deleted(w.op().DeleteAccount(ctx, "bot")))
	}},
	{method: "Operator.DeleteAccount/an owner of a service account", want: gatehouse.ErrPrecondition, first: createBot,
		run: func(ctx context.Context, w *world) (any, error) {
			return done(deleted(w.op().DeleteAccount(ctx, "ada")))
		}},
	{method: "Operator.RevokeAll", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().RevokeAll(ctx, "ada"))
	}},
	{method: "Operator.Purge", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Purge(ctx, w.clock(), "", nil)
	}},
	{method: "Operator.WarnExpiring", first: func(_ context.Context, w *world) error {
		w.wait(20 * day)
		return nil
	}, run: func(ctx context.Context, w *world) (any, error) {
		return w.op().WarnExpiring(ctx, "", nil)
	}},
	{method: "Operator.Reseal", edit: twoKeys, run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Reseal(ctx, "", nil)
	}},
	{method: "Operator.AfterRestore", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().AfterRestore(ctx, gatehouse.Restoration{RevokeTokens: true}, "", nil)
	}},
	{method: "Operator.Fleet", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Fleet(ctx, posture.Summary{}, nil)
	}},
	{method: "Operator.ShutOut", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().ShutOut(ctx, "members.invite", "", 3)
	}},
	{method: "Operator.Reviews", run: func(ctx context.Context, w *world) (any, error) {
		seen := 0
		err := w.op().Reviews(ctx, "", func(_ string, _ posture.Review, err error) bool {
			seen++
			return err == nil
		})
		if err != nil {
			return nil, err
		}
		return seen, nil
	}},
}

func importedWithCodes() gatehouse.Import {
	in := importing(gatehouse.ImportAuthenticator{Secret: importedSecret})
	in.RecoveryCodes = inPlain("k3j9w0qx", "12345678")
	return in
}
