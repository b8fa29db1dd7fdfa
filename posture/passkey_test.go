package posture_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// A gate that demands a phishing-resistant proof takes no other, and says what would open it: another proof where the account
// has a passkey, and otherwise a passkey.
func TestPhishingResistantGate(t *testing.T) {
	gates := []posture.Gate{
		{Action: "proof", PhishingResistant: true},
		{Action: "both", PhishingResistant: true, Controls: []string{posture.PhishingResistant}},
		{Action: "grace", PhishingResistant: true, Controls: []string{posture.PhishingResistant}, Grace: posture.Grace{Before: now, Until: now.Add(day)}},
	}
	fresh := posture.Proof{At: now, SecondFactor: true}
	resistant := posture.Proof{At: now, SecondFactor: true, PhishingResistant: true}
	external := posture.Proof{At: now, External: true}
	const open, stepUp, closed = "open", "step up", "closed"
	for _, c := range []struct {
		name  string
		facts func(*posture.Facts)
		proof posture.Proof
		want  [3]string
	}{
		{"apps", nothing, fresh, [3]string{closed, closed, closed}},
		{"apps, and a proof that cannot be", nothing, resistant, [3]string{closed, closed, closed}},
		{"a passkey and an app, a code", passkeys(1, 1), fresh, [3]string{stepUp, closed, stepUp}},
		{"a passkey and an app, the passkey", passkeys(1, 1), resistant, [3]string{open, closed, open}},
		{"passkeys, no proof", passkeys(2, 0), posture.Proof{}, [3]string{stepUp, stepUp, stepUp}},
		{"passkeys, the host's own factor", passkeys(2, 0), external, [3]string{stepUp, stepUp, stepUp}},
		{"passkeys", passkeys(2, 0), resistant, [3]string{open, open, open}},
		{"a password", password(nothing), posture.Proof{At: now}, [3]string{closed, closed, closed}},
	} {
		p := policyOf(t, posture.ModelConfig{Passkeys: true}, gates...)
		f := good()
		c.facts(&f)
		for i, action := range p.Actions() {
			d := decide(p, action, f, c.proof, now)
			got := closed
			switch {
			case d.Open:
				got = open
			case d.ProofIsEnough():
				got = stepUp
				require.Equal(t, &posture.StepUp{PhishingResistant: true}, d.StepUp)
			default:
				require.Len(t, d.Unmet, 1, "%s: %s", c.name, action)
				require.Equal(t, posture.PhishingResistant, d.Unmet[0].ID)
			}
			require.Equal(t, c.want[i], got, "%s: %s", c.name, action)
		}
	}
	hidden := policyOf(t, *adjusted(posture.PhishingResistant, posture.Adjustment{Hide: true}), posture.Gate{Action: "act", PhishingResistant: true})
	require.Equal(t, []string{posture.PhishingResistant}, decide(hidden, "act", good(), fresh, now).Hidden)
}

// Accounts that must sign in with passkeys alone meet that at every gate. What is not known demands as well, and opens nothing.
func TestRequirePhishingResistant(t *testing.T) {
	gate := posture.Gate{Action: "act", Controls: []string{posture.SecondFactor}, Grace: posture.Grace{Before: now, Until: now.Add(day)}}
	asked := map[string]int{}
	p := policyOf(t, posture.ModelConfig{Passkeys: true, RequirePhishingResistant: func(account string, h posture.Host) posture.Answer {
		asked[account]++
		if account == "broken" {
			panic("broken")
		}
		return h.Answers["admin"]
	}}, gate)
	code, passkey := posture.Proof{At: now, SecondFactor: true}, posture.Proof{At: now, SecondFactor: true, PhishingResistant: true}
	for _, c := range []struct {
		name    string
		account string
		facts   func(*posture.Facts)
		answer  posture.Answer
		stale   bool
		code    bool // opens it
		passkey bool
		reason  string
	}{
		{"nobody", "ada", passkeys(1, 1), posture.No, false, true, true, "phishing-partly"},
		{"an administrator with an app", "ada", passkeys(1, 1), posture.Yes, false, false, true, "phishing-required"},
		{"an administrator with apps", "ada", nothing, posture.Yes, false, false, false, "phishing-required"},
		{"an administrator", "ada", passkeys(2, 0), posture.Yes, false, false, true, "phishing-resisted"},
		{"perhaps", "ada", passkeys(1, 1), posture.Unknown, false, false, true, "phishing-partly"},
		{"perhaps, with apps", "ada", nothing, posture.Unknown, false, false, false, "phishing-open"},
		{"nobody, long ago", "ada", passkeys(1, 1), posture.No, true, false, false, "phishing-partly"}, // and no grace
		{"a fault", "broken", passkeys(2, 0), posture.No, false, false, true, "phishing-resisted"},
		{"a fault, and an app", "broken", passkeys(1, 1), posture.No, false, false, true, "phishing-partly"},
		{"no such answer", "ada", passkeys(2, 0), 7, false, false, true, "phishing-resisted"},
	} {
		f := good()
		c.facts(&f)
		f.Account.ID, f.Host.Answers = c.account, map[string]posture.Answer{"admin": c.answer}
		if c.stale {
			f.Host.At = ago(25 * time.Hour)
		}
		require.Equal(t, c.code, decide(p, "act", f, code, now).Open, c.name)
		require.Equal(t, c.passkey, decide(p, "act", f, passkey, now).Open, c.name) // with an app: by the grace of the gate
		finding, _ := p.Review(f, now).Find(posture.PhishingResistant)
		require.Equal(t, c.reason, finding.Code, c.name)
		require.True(t, p.Needs("act", f, now).Has(posture.HostEvidence))
	}
	require.NotZero(t, asked["broken"])
	f := bare()
	f.Account.ServiceOf, f.Account.ID = "ada", "service"
	finding, _ := p.Review(f, now).Find(posture.PhishingResistant)
	require.Equal(t, "service-account", finding.Code)
	require.Zero(t, asked["service"], "nobody signs in to one")
}

// The same through the Service: for an action, for a new token, in the save that mints, and for one that rotates itself.
func TestPasskeyAtTheGate(t *testing.T) {
	svc := gatehousetest.New(t)
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(t, err)
	tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: registry, Unattended: 30 * day})
	require.NoError(t, err)
	pos, err := posture.New(svc.Service, posture.Config{Tokens: tok, Policy: policyOf(t, posture.ModelConfig{Passkeys: true},
		posture.Gate{Action: "deploy", PhishingResistant: true, MaxAge: 5 * time.Minute},
		posture.Gate{Action: posture.MintToken, PhishingResistant: true})})
	require.NoError(t, err)
	ctx := t.Context()
	mint := func(in gatehouse.Session) (tokens.Minted, error) {
		return tok.Mint(ctx, in, tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}, RotatesItself: true})
	}

	ada := svc.Enroll(t, "ada")
	var closed *posture.GateError
	require.ErrorAs(t, pos.Require(ctx, ada.StepUp(t), "deploy"), &closed)
	require.NotErrorIs(t, closed, gatehouse.ErrStepUpRequired, "no proof of this account would do")
	_, err = mint(ada.StepUp(t))
	require.ErrorAs(t, err, &closed)

	passkey := ada.AddPasskey(t)
	for _, in := range []gatehouse.Session{ada.Session(), ada.StepUp(t)} { // what added the passkey was a code
		err := pos.Require(ctx, in, "deploy")
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
		require.ErrorAs(t, err, &closed)
		require.Equal(t, &posture.StepUp{MaxAge: 5 * time.Minute, PhishingResistant: true}, closed.StepUp)
		_, err = mint(in)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	}
	in := passkey.StepUp(t)
	require.NoError(t, pos.Require(ctx, in, "deploy"))
	minted, err := mint(in)
	require.NoError(t, err)
	svc.Wait(day)
	next, err := tok.RotateSelf(ctx, minted.Token.Reveal(), netip.Addr{}, tokens.Rotation{})
	require.NoError(t, err, "its owner had come with a passkey")
	require.ErrorIs(t, pos.Require(ctx, in, "deploy"), gatehouse.ErrStepUpRequired)

	_, err = tok.Rotate(ctx, ada.StepUp(t), next.Info.ID, tokens.Rotation{})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	r, err := pos.Review(ctx, "ada")
	require.NoError(t, err)
	finding, _ := r.Find(posture.PasskeysAlone)
	require.Equal(t, posture.Fail, finding.State)
}

// Preview adds a passkey and removes the app with the code that does it for real: level 3.
func TestPreviewPasskeys(t *testing.T) {
	svc, _, pos := withTokens(t)
	ctx := context.Background()
	ada := svc.Enroll(t, "ada")
	require.NoError(t, svc.Owner(ada.Session()).AcknowledgeRecoveryCodes(ctx, recoveryID(t, svc, "ada")))
	v, err := pos.Preview(ctx, "ada", func(t *posture.Trial) error {
		for range 2 {
			if err := t.AddPasskey(); err != nil {
				return err
			}
		}
		return t.RemoveAuthenticator(ada.AuthenticatorID)
	})
	require.NoError(t, err)
	require.Equal(t, [2]int{1, 3}, [2]int{v.Before.Level, v.After.Level})
	require.Equal(t, []posture.WayBack{{Method: event.MethodPasskey, Count: 1}, {Method: event.MethodRecoveryCode, Count: 10}}, v.WaysBack)
	require.Empty(t, v.Warnings)

	// The first factor may be a passkey, and an eleventh is one too many.
	v, err = pos.Preview(ctx, "bob", func(t *posture.Trial) error { return t.AddPasskey() })
	require.NoError(t, err)
	require.Equal(t, 1, v.After.Level)
	require.Contains(t, v.Opens, mint)
	_, err = pos.Preview(ctx, "bob", func(t *posture.Trial) error {
		for range 11 {
			if err := t.AddPasskey(); err != nil {
				return err
			}
		}
		return nil
	})
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
}

func recoveryID(t *testing.T, svc *gatehousetest.Service, account string) string {
	a, err := svc.Account(t.Context(), account)
	require.NoError(t, err)
	return a.RecoveryCodes.ID
}
