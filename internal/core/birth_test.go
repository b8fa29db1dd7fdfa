package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Whatever ends all tokens of an account, and however often, it stays the same account; one that is made again is another.
func TestBirth(t *testing.T) {
	at := func(fresh int64) core.Env { return core.Env{Now: start, Fresh: fresh} }
	none := core.Account{ID: "user-42"}
	for name, end := range map[string]func(core.Account, core.Env) core.Account{
		"revocation": func(a core.Account, env core.Env) core.Account { return a.RevokeTokensBy(by, env) },
		"password":   func(a core.Account, env core.Env) core.Account { return a.PasswordChanged(by, true, env) },
		"restore":    func(a core.Account, env core.Env) core.Account { return a.Restored(by, false, true, env) },
		"reset": func(a core.Account, env core.Env) core.Account {
			a, err := a.Resets(by, core.Slot{Selector: "Z"}, env)
			require.NoError(t, err)
			return a
		},
	} {
		a := none.Create(at(1))
		a.Authenticators = []core.Authenticator{newAuthenticator("A1")}
		for fresh := int64(2); fresh < 5; fresh++ {
			a = end(a, at(fresh))
			require.Equal(t, fresh, a.TokenEpoch, name)
			require.EqualValues(t, 1, a.Birth(), name)
		}
	}
	made := none.PasswordChanged(by, true, at(6))
	require.EqualValues(t, 6, made.Birth())
	require.Zero(t, made.FirstTokenEpoch, "it takes no room")
	require.EqualValues(t, 7, none.Forgotten(at(6)).Create(at(7)).Birth())

	gone := none.Forgotten(at(8))
	require.Zero(t, gone.Birth())
	gone.FirstTokenEpoch = 1
	data, err := gone.Encode()
	if err == nil {
		_, err = core.Decode(gone.ID, data)
	}
	require.ErrorIs(t, err, core.ErrFormat, "nobody has had tokens")

	made.FirstTokenEpoch = 1
	data, err = made.Encode()
	require.NoError(t, err)
	clear(data[len(data)-8:])
	_, err = core.Decode(made.ID, data)
	require.ErrorIs(t, err, core.ErrFormat, "0 is not stored")
}
