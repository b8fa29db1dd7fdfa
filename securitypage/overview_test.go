package securitypage_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// next returns what the overview says is to be done, and where that leads.
func (b *browser) next() (what, link string) {
	page := b.get("/").body
	_, card, _ := strings.Cut(page, `<div class="next">`)
	card, _, _ = strings.Cut(card, "</section>")
	if m := regexp.MustCompile(`<a class="btn primary" href="([^"]*)">`).FindStringSubmatch(card); m != nil {
		link = m[1]
	}
	heading, _, _ := strings.Cut(card, "</h2>")
	_, heading, _ = strings.Cut(heading, "<h2>")
	return strings.TrimSpace(regexp.MustCompile(`(?s)<span.*</span>`).ReplaceAllString(heading, "")), link
}

// There is one thing to do: the best step, unless there is something to look at first.
func TestOneNextStep(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	what, link := b.next()
	require.Equal(t, []string{"Turn on two-factor sign-in", prefix + "/pair"}, []string{what, link})

	b, o := h.enrolled("ada")
	what, link = b.next()
	require.Equal(t, []string{"Add a second authenticator", prefix + "/pair"}, []string{what, link})

	in := h.signIn("ada")
	require.Equal(t, http.StatusSeeOther, in.submit("/sign-in?with=recovery", "/sign-in", "code", o.RecoveryCodes[0].Reveal()).status)
	what, link = in.next()
	require.Equal(t, []string{"Replace your authenticator", prefix + "/pair?replace=" + o.AuthenticatorID}, []string{what, link})
	h.svc.Wait(6 * time.Minute) // the session's proof is not enough for that any more
	what, link = in.next()
	require.Equal(t, []string{"Was it you who used a recovery code?", prefix + "/activity"}, []string{what, link})
	require.Contains(t, in.get("/").body, `gauge warn`, "an account that fails an important control is not shown as good")
	require.Contains(t, in.get("/review").text(), "A recovery code was used")
}
