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

// TestWordsOfTheHost has a host's layout with a time of its own, its language by a tag that the browser does not know, and its
// words of a wait without the clock. All of that stays as it is, and nothing fails.
func TestWordsOfTheHost(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)
	b.Inject(`document.addEventListener("readystatechange", () => {
		const main = document.getElementById("main");
		if (document.readyState !== "interactive" || !main) return;
		main.lang = "en_US";
		main.insertAdjacentHTML("beforebegin", "<time>at noon</time>");
		for (const el of document.querySelectorAll("[data-countdown]")) el.dataset.text = "Later.";
	})`)
	b.signUp(ada)
	b.Visit(securityPath + "/pair")
	b.pairFirst("Phone")
	b.Visit(securityPath + "/activity")
	times := browsertest.Eval[[]string](b.Tab, `[...document.querySelectorAll("time")].map((el) => el.textContent)`)
	require.Equal(t, "at noon", times[0])
	require.Greater(t, len(times), 1)
	for _, text := range times[1:] {
		require.Equal(t, w.clock().UTC().Format("2 Jan 2006, 15:04 UTC"), text)
	}
	b.signOut()
	b.signIn(ada)
	for range 6 {
		b.Answer("Code from the app", "000000")
	}
	require.Contains(t, browsertest.Eval[string](b.Tab, `document.querySelector("[data-countdown]").textContent`), "Try again in")
	require.Empty(t, b.Complaints())
}
