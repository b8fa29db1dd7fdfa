package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Times and dates are those of the reader's zone, which the script alone knows, and UTC is beside them. How long ago
// something was is the same everywhere.
func TestTimesOfTheReader(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.Zone("Pacific/Kiritimati") // 14 hours ahead
	b.signUp(ada)
	b.Visit(securityPath + "/pair")
	b.pairFirst("Phone")
	bot := w.app.tokens.Operator(w.app.svc.Operator("ada@ops").Because("ticket 4711"))
	require.NoError(t, bot.CreateServiceAccount(t.Context(), "bot:deploys", w.account(ada)))
	minted, err := bot.Mint(t.Context(), "bot:deploys", tokens.Request{Name: "deploys", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	w.wait(time.Hour)
	_, err = w.app.tokens.Check(t.Context(), minted.Token.Reveal(), netip.Addr{})
	require.NoError(t, err)
	require.NoError(t, w.app.svc.Close(t.Context()))
	w.wait(time.Hour)

	const path = securityPath + "/tokens/service-accounts"
	const times = `[...document.querySelectorAll("time")].map((el) => el.textContent.replace("\\u202f", " ") + "|" + el.title)`
	b.Visit(path)
	end := minted.Info.Expires
	require.Equal(t, []string{
		"1 h ago|" + w.clock().Add(-time.Hour).Truncate(time.Minute).UTC().Format(time.RFC3339),
		end.Add(14*time.Hour).UTC().Format("Jan 2, 2006") + "|" + end.UTC().Format(time.RFC3339),
	}, browsertest.Eval[[]string](b.Tab, times))
	require.NotEqual(t, end.UTC().Day(), end.Add(14*time.Hour).UTC().Day(), "or it says nothing")
	b.Visit(securityPath + "/activity")
	at := w.clock().Add(-2 * time.Hour).UTC()
	require.Contains(t, browsertest.Eval[[]string](b.Tab, times), at.Add(14*time.Hour).Format("Jan 2, 2006, 3:04 PM")+"|"+at.Format("2 Jan 2006, 15:04 UTC"))

	b.Scripts(false)
	b.Visit(path)
	require.Equal(t, []string{"1 h ago|", end.UTC().Format("2 Jan 2006") + "|"}, browsertest.Eval[[]string](b.Tab, times))
}
