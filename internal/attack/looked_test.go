package attack_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// importCodes gives an account the codes of another system.
func (h *house) importCodes(id string, codes ...recovery.Foreign) {
	h.t.Helper()
	_, err := h.Operator("migration").Import(context.Background(), id, gatehouse.Import{
		Authenticators: []gatehouse.ImportAuthenticator{{Secret: totp.GenerateSecret()}}, RecoveryCodes: codes,
	})
	require.NoError(h.t, err)
}

func bcrypted(t *testing.T, code string) recovery.Foreign {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(code), bcrypt.MinCost)
	require.NoError(t, err)
	return recovery.ForeignHash(string(hash), 0)
}

// hangsUp is a context that ends once it was asked so many times whether it has.
type hangsUp struct {
	context.Context
	asks int
	done chan struct{}
}

func (c *hangsUp) end() {
	if c.asks--; c.asks == 0 {
		close(c.done)
	}
}

func (c *hangsUp) Err() error {
	c.end()
	if c.asks <= 0 {
		return context.Canceled
	}
	return nil
}

func (c *hangsUp) Done() <-chan struct{} { return c.done }

func (c *hangsUp) Deadline() (time.Time, bool) { return time.Time{}, false }

// Rows F4 and K4: a guess at another system's codes counts from the first hash that it is compared with, whenever its
// caller hangs up. Else whoever does that before the last one has guesses without end.
func TestGuessAtImportedCodesCountsWhoeverHangsUp(t *testing.T) {
	// counts returns from which question for the caller on, and for good, a guess at so many codes counts.
	counts := func(n int) (from int) {
		for asks := 1; asks < 60; asks++ {
			h := newHouse(t)
			var codes []recovery.Foreign
			for i := range n {
				codes = append(codes, bcrypted(t, fmt.Sprint("abandoned-", i)))
			}
			h.importCodes("u", codes...)
			before := h.account("u").RecoveryThrottle
			ctx := &hangsUp{Context: context.Background(), asks: asks, done: make(chan struct{})}
			_, err := h.StepUp(ctx, "u", "no such code")
			require.Error(t, err)
			switch {
			case h.account("u").RecoveryThrottle == before:
				require.Zero(t, from, "it counted for who hung up earlier")
				require.ErrorIs(t, err, context.Canceled)
			case from == 0:
				from = asks
			}
		}
		return from
	}
	one := counts(1)
	require.NotZero(t, one)
	require.Equal(t, one, counts(5))
}

// The process has no room for the rest of a set: the guess counts, and the answer is the fault.
func TestGuessThatIsCutOffCounts(t *testing.T) {
	h := newHouse(t)
	h.importCodes("u", bcrypted(t, "abandoned-0"), bcrypted(t, "abandoned-1"))
	h.tamper("u", func(a *accountData) { a.Recovery.Slots[1].Hash = "$2a$04$no hash at all" })
	rec := h.record("u")
	_, err := h.StepUp(context.Background(), "u", "no such code")
	require.Error(t, err)
	require.NotErrorIs(t, err, gatehouse.ErrDenied)
	require.NotEqual(t, rec.Version, h.record("u").Version)
	require.NotZero(t, h.account("u").RecoveryThrottle)
	v, err := h.StepUp(context.Background(), "u", "abandoned-0")
	require.NoError(t, err, "its owner's code is looked at first")
	require.Equal(t, 1, v.CodesLeft)
}

// A match ends the comparing: the rest of a slow set is not run, and a code that stands in it more often than there are
// tries still lets its owner in.
func TestMatchEndsTheComparing(t *testing.T) {
	h := newHouse(t)
	var codes []recovery.Foreign
	for range 16 {
		codes = append(codes, bcrypted(t, "one code, sixteen salts"))
	}
	h.importCodes("u", codes...)
	v, err := h.StepUp(context.Background(), "u", "one code, sixteen salts")
	require.NoError(t, err)
	require.Equal(t, 15, v.CodesLeft)
}
