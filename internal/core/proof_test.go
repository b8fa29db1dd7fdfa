package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// A proof is old enough to be refused a second after five minutes for what changes how to get in, and a second after
// fifteen for the rest.
func TestAgesOfProofs(t *testing.T) {
	a := core.Account{ID: "user-42", Epoch: 1, TokenEpoch: 1, Noted: 1, Recovery: newSet("SET")}
	a.Authenticators = []core.Authenticator{newAuthenticator("AUTH0"), newAuthenticator("AUTH1")}
	pending := a
	pending.Pending = &core.Pending{Authenticator: newAuthenticator("AUTH2"), Expires: start.Unix() + 60}
	env := core.Env{Now: start, Fresh: 7, Window: totp.DefaultWindow()}
	permits := func(of func(core.Permissions) bool) func(core.Presented) error {
		return func(p core.Presented) error {
			if !of(a.Permissions(p, env)) {
				return core.ErrStepUpRequired
			}
			return nil
		}
	}
	const short, long = 5 * time.Minute, 15 * time.Minute
	for name, c := range map[string]struct {
		age time.Duration
		do  func(core.Presented) error
	}{
		"enroll":      {short, permits(func(p core.Permissions) bool { return p.Enroll })},
		"replace":     {short, permits(func(p core.Permissions) bool { return p.Replace })},
		"factors":     {short, permits(func(p core.Permissions) bool { return p.Factors })},
		"revoke":      {long, permits(func(p core.Permissions) bool { return p.Revoke })},
		"tokens":      {long, permits(func(p core.Permissions) bool { return p.Tokens })},
		"disable":     {short, func(p core.Presented) error { _, _, err := a.Disable(p, env); return err }},
		"remove":      {short, func(p core.Presented) error { _, _, err := a.Remove(p, "AUTH0", env); return err }},
		"regenerate":  {short, func(p core.Presented) error { _, _, err := a.Regenerate(p, newSet("NEXT"), env); return err }},
		"rename":      {long, func(p core.Presented) error { _, err := a.Rename(p, "AUTH0", "Tablet", env); return err }},
		"review":      {long, func(p core.Presented) error { _, err := a.ReviewActivity(p, 1, env); return err }},
		"cancel":      {long, func(p core.Presented) error { _, err := pending.Cancel(p, "AUTH2", env); return err }},
		"acknowledge": {long, func(p core.Presented) error { _, err := a.Acknowledge(p, "SET", env); return err }},
	} {
		proof := core.Presented{Proof: core.Proof{Account: a.ID, Kind: core.SecondFactor, At: start.Add(-c.age).Unix(), Epoch: a.Epoch}}
		require.NoError(t, c.do(proof), name)
		proof.At--
		require.ErrorIs(t, c.do(proof), core.ErrStepUpRequired, name)
	}
}
