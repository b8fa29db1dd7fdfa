package gatehouse_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// callsNothing has the methods that call neither store nor keys, sealer or host.
var callsNothing = map[string]string{
	"Service.Owner":       "keeps the proof for the methods",
	"Service.Operator":    "keeps the name for the methods",
	"Service.TokenPolicy": "returns what New was told",
	"Operator.Because":    "keeps the reason for the methods",
}

// prepared is what the plays begin with.
type prepared struct {
	h             *house
	ada, phone    *owner // one account with two authenticators
	lola          *owner // whose TOTP is locked
	rex           *owner // who was reset
	adas          gatehouse.Proof
	plain, pia    gatehouse.Proof // of accounts without a second factor; pia's enrolment is pending
	pending       gatehouse.Enrolment
	piaKey        *owner
	lolas         gatehouse.Proof
	codes         string // the ID of ada's set
	operatorCode  string
	challenge     string // of ada
	rexes         string // a challenge of rex
	ci, robot     string // tokens of ada
	ciID, oldID   string
	reused        string // a copy that was rotated
	expired       string // an ID
	robotRotation gatehouse.Rotation
}

func prepare(t *testing.T) *prepared {
	t.Helper()
	ctx := context.Background()
	f := &hostFacts{host: posture.Host{EmailVerified: posture.Yes}}
	policy := policyOf(t, posture.ModelConfig{}, gates...)
	h := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.Addresses = true }), judged(t, policy, f))
	f.do = func() { f.host.At = h.clock() }
	p := &prepared{h: h}
	p.rex, p.lola, p.ada = h.enrol("rex"), h.enrol("lola"), h.enrol("ada")
	p.phone = p.ada.second()
	h.wait(totp.Period)
	ten := func(r *tokens.Request) { r.Lifetime = 10 * day }
	var info gatehouse.TokenInfo
	p.ci, info = p.ada.mint("projects:read", ten)
	p.ciID = info.ID
	p.robot, _ = p.ada.mint("projects:read", func(r *tokens.Request) { r.RotatesItself = true })
	p.reused, info = p.ada.mint("logs:read")
	p.oldID = info.ID
	_, err := h.Owner(p.ada.fresh()).RotateToken(ctx, info.ID, gatehouse.Rotation{})
	require.NoError(t, err)
	_, info = p.ada.mint("projects:read", func(r *tokens.Request) { r.Lifetime = time.Minute })
	p.expired = info.ID
	h.wait(2 * time.Minute)
	h.review("ada") // so that a level is kept that changes can move

	code, err := h.Operator("op").Reset(ctx, "rex")
	require.NoError(t, err)
	p.operatorCode, p.rexes = code.Reveal(), p.rex.challenge()
	p.plain, p.pia = h.attest("plain"), h.attest("pia")
	p.pending, err = h.Owner(p.pia).BeginEnrolment(ctx, gatehouse.Enrol{Label: "pia"})
	require.NoError(t, err)
	p.piaKey = &owner{h: h, id: "pia", key: keyOf(p.pending, 6)}
	h.wait(totp.Period)
	p.adas = p.ada.stepUp(p.ada.code())
	p.challenge = p.ada.challenge()
	st, err := h.Status(ctx, "ada")
	require.NoError(t, err)
	p.codes = st.RecoveryCodes.ID
	p.lolas = p.lola.stepUp(p.lola.codes[0].Reveal())
	p.lola.fails(6)
	return p
}

var newKey = keyring.Generate().Reveal()

// twoKeys has a service whose primary key is a new one.
func twoKeys(c *gatehouse.Config) {
	s := c.Sealer.(watchedSealer)
	both, err := keyring.Parse(newKey + "\n" + s.Ring.Reveal())
	if err != nil {
		panic(err)
	}
	c.Sealer = watchedSealer{both, s.d}
}

func (w *world) as(p gatehouse.Proof) gatehouse.Owner { return w.Owner(p) }
func (w *world) op() gatehouse.Operator               { return w.Operator("op").Because("ticket 9") }

var importedSecret = totp.GenerateSecret()

// plays has a call of every method that does something, and those that are refused after a look at something.
var plays = []play{
	{method: "Service.Attest", run: func(ctx context.Context, w *world) (any, error) {
		return w.Attest(ctx, "new", gatehouse.FirstFactor{Method: "pwd", At: w.clock()})
	}},
	{method: "Service.Challenge", run: func(ctx context.Context, w *world) (any, error) { return w.Challenge(ctx, "ada") }},
	{method: "Service.Challenge/not needed", run: func(ctx context.Context, w *world) (any, error) { return w.Challenge(ctx, "plain") }},
	{method: "Service.CheckChallenge", run: func(ctx context.Context, w *world) (any, error) { return w.CheckChallenge(ctx, w.challenge) }},
	{method: "Service.Answer", run: func(ctx context.Context, w *world) (any, error) {
		return w.Answer(ctx, w.challenge, w.phone.code())
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
	{method: "Service.Status", run: func(ctx context.Context, w *world) (any, error) { return w.Status(ctx, "ada") }},
	{method: "Service.Activity", run: func(ctx context.Context, w *world) (any, error) { return w.Activity(ctx, "ada") }},
	{method: "Service.Review", run: func(ctx context.Context, w *world) (any, error) { return w.Review(ctx, "lola") }},
	{method: "Service.History", run: func(ctx context.Context, w *world) (any, error) { return w.History(ctx, "ada") }},
	{method: "Service.Require", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.Require(ctx, w.adas, "deploy.public"))
	}},
	{method: "Service.Preview", run: func(ctx context.Context, w *world) (any, error) {
		return w.Preview(ctx, "ada", gatehouse.DisablingTwoFactor(), gatehouse.AddingAuthenticator())
	}},
	{method: "Service.Tokens", run: func(ctx context.Context, w *world) (any, error) { return w.Tokens(ctx, "ada", "", 10) }},
	{method: "Service.Token", run: func(ctx context.Context, w *world) (any, error) { return w.Token(ctx, "ada", w.ciID) }},
	{method: "Service.AuthenticateToken", run: func(ctx context.Context, w *world) (any, error) { return w.AuthenticateToken(ctx, w.ci) }},
	{method: "Service.AuthenticateToken/a rotated copy", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.AuthenticateToken(ctx, w.reused)
	}},
	{method: "Service.AuthenticateToken/an unknown one", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.AuthenticateToken(ctx, tokens.Generate("acme", "pat").Reveal())
	}},
	{method: "Service.RotateToken", run: func(ctx context.Context, w *world) (any, error) {
		return w.RotateToken(ctx, w.robot, gatehouse.Rotation{Grace: time.Minute})
	}},
	{method: "Service.RotateToken/a rotated copy", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.RotateToken(ctx, w.reused, gatehouse.Rotation{})
	}},
	{method: "Service.RevokePresented", run: func(ctx context.Context, w *world) (any, error) { return done(w.RevokePresented(ctx, w.ci)) }},
	{method: "Service.RevokePresented/an unknown one", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.RevokePresented(ctx, tokens.Generate("acme", "pat").Reveal()))
	}},
	{method: "Service.Close", first: func(ctx context.Context, w *world) error {
		_, err := w.AuthenticateToken(ctx, w.ci)
		return err
	}, run: func(ctx context.Context, w *world) (any, error) { return done(w.Close(ctx)) }},

	{method: "Owner.Allowed", run: func(ctx context.Context, w *world) (any, error) { return w.as(w.adas).Allowed(ctx) }},
	{method: "Owner.BeginEnrolment", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.plain).BeginEnrolment(ctx, gatehouse.Enrol{Label: "x"})
	}},
	{method: "Owner.BeginEnrolment/a third", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).BeginEnrolment(ctx, gatehouse.Enrol{Label: "x", Name: "Third", Replace: w.phone.auth})
	}},
	{method: "Owner.ConfirmEnrolment", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.pia).ConfirmEnrolment(ctx, w.pending.ID, w.piaKey.code())
	}},
	{method: "Owner.ConfirmEnrolment/a wrong code", want: gatehouse.ErrDenied, run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.pia).ConfirmEnrolment(ctx, w.pending.ID, w.piaKey.wrong())
	}},
	{method: "Owner.CancelEnrolment", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.as(w.pia).CancelEnrolment(ctx, w.pending.ID))
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
		return done(w.as(w.lolas).Unlock(ctx, gatehouse.TOTP))
	}},
	{method: "Owner.ReviewActivity", run: func(ctx context.Context, w *world) (any, error) { return done(w.as(w.adas).ReviewActivity(ctx)) }},
	{method: "Owner.MintToken", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).MintToken(ctx, tokens.Request{Name: "new", Scopes: tokens.Scopes{"logs:read"}})
	}},
	{method: "Owner.RotateToken", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).RotateToken(ctx, w.ciID, gatehouse.Rotation{Grace: time.Hour})
	}},
	{method: "Owner.RenewToken", run: func(ctx context.Context, w *world) (any, error) {
		return w.as(w.adas).RenewToken(ctx, w.expired, time.Hour)
	}},
	{method: "Owner.RevokeToken", run: func(ctx context.Context, w *world) (any, error) { return done(w.as(w.adas).RevokeToken(ctx, w.ciID)) }},
	{method: "Owner.RevokeAllTokens", run: func(ctx context.Context, w *world) (any, error) { return done(w.as(w.adas).RevokeAllTokens(ctx)) }},

	{method: "Operator.Reset", run: func(ctx context.Context, w *world) (any, error) { return w.op().Reset(ctx, "ada") }},
	{method: "Operator.Unlock", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().Unlock(ctx, "lola", gatehouse.TOTP))
	}},
	{method: "Operator.Suspend", run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Suspend(ctx, "ada")) }},
	{method: "Operator.Resume", first: func(ctx context.Context, w *world) error { return w.op().Suspend(ctx, "ada") },
		run: func(ctx context.Context, w *world) (any, error) { return done(w.op().Resume(ctx, "ada")) }},
	{method: "Operator.PasswordChanged", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().PasswordChanged(ctx, "ada", gatehouse.RevokeTokens))
	}},
	{method: "Operator.DeleteAccount", run: func(ctx context.Context, w *world) (any, error) { return done(w.op().DeleteAccount(ctx, "ada")) }},
	{method: "Operator.Import", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().Import(ctx, "imported", gatehouse.Import{Secret: importedSecret}))
	}},
	{method: "Operator.AcceptRisk", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().AcceptRisk(ctx, "ada", posture.SecondAuthenticator, time.Time{}))
	}},
	{method: "Operator.WithdrawRisk", first: func(ctx context.Context, w *world) error {
		return w.op().AcceptRisk(ctx, "ada", posture.SecondAuthenticator, time.Time{})
	}, run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().WithdrawRisk(ctx, "ada", posture.SecondAuthenticator))
	}},
	{method: "Operator.RevokeToken", run: func(ctx context.Context, w *world) (any, error) { return done(w.op().RevokeToken(ctx, w.ciID)) }},
	{method: "Operator.RevokeAllTokens", run: func(ctx context.Context, w *world) (any, error) {
		return done(w.op().RevokeAllTokens(ctx, "ada"))
	}},
	{method: "Operator.PurgeTokens", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().PurgeTokens(ctx, w.clock(), "", nil)
	}},
	{method: "Operator.WarnExpiringTokens", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().WarnExpiringTokens(ctx, "", nil)
	}},
	{method: "Operator.Reseal", edit: twoKeys, run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Reseal(ctx, "", nil)
	}},
	{method: "Operator.AfterRestore", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().AfterRestore(ctx, gatehouse.Restoration{RevokeTokens: true}, "", nil)
	}},
	{method: "Operator.Fleet", run: func(ctx context.Context, w *world) (any, error) {
		return w.op().Fleet(ctx, gatehouse.Fleet{}, nil)
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
