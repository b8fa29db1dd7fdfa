package securitypage_test

import (
	"crypto/fips140"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/text"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Row K12: in a process that may use approved algorithms alone, SHA-1 is refused. The page pairs with SHA-256, says so, and
// its owner signs in. The library, which is asked for SHA-1, says why not, and saves nothing.
func TestPairWithApprovedAlgorithmsAlone(t *testing.T) {
	if !fips140.Enforced() {
		again := exec.Command(os.Args[0], "-test.run=^TestPairWithApprovedAlgorithmsAlone$", "-test.v")
		again.Env = append(os.Environ(), "GODEBUG=fips140=only")
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "paired with SHA-256")
		return
	}
	h := newHost(t)
	b := h.signIn("ada")
	const says = "Your app must support SHA-256."
	require.Contains(t, b.get("/pair").text(), says)
	a := b.pair("/pair", "name", "Work phone")
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.text(), says)
	require.Contains(t, a.text(), "Choose SHA-256 as the algorithm.")
	app, codes := secretWith(t, a, totp.SHA256), codesOf(b.get("/pair/codes"))
	a = b.finishes(app.Code(h.svc.Now()))
	require.Contains(t, a.header.Get("Location"), prefix+"/pair/done?", a.body)
	h.svc.Wait(totp.Period)
	b = h.signIn("ada")
	a = b.submit("/sign-in", "/sign-in", "code", app.Code(h.svc.Now()))
	require.Equal(t, "/home", a.header.Get("Location"), a.body)
	b = h.signIn("ada")
	a = b.submit("/sign-in?with=recovery", "/sign-in", "code", codes[0])
	require.Equal(t, recovered, a.header.Get("Location"), a.body)

	in := h.svc.Vouch(t, "grace")
	before := h.account("grace")
	enr, err := h.svc.Owner(in).BeginEnrollment(t.Context(), gatehouse.EnrollmentRequest{Label: "grace"})
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	require.ErrorIs(t, err, totp.ErrParams)
	require.ErrorContains(t, err, "SHA-1 is not available with GODEBUG=fips140=only")
	require.Equal(t, gatehouse.Enrollment{}, enr)
	require.Equal(t, before, h.account("grace"))
	t.Log("paired with SHA-256")
}

// Row K12: only a name that is wrong is told as a wrong name, in each form that has one, and nothing is done.
func TestNamesThatAreRefused(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	require.NotContains(t, b.get("/pair").text(), "SHA-256", "every app has SHA-1")
	st, err := h.svc.Account(t.Context(), "ada")
	require.NoError(t, err)
	id := st.Authenticators[0].ID
	before := h.account("ada")
	for _, name := range []string{strings.Repeat("a", 65), "a\x00b", "a\u202eb", "a\u2028b", strings.Repeat("é", 33)} {
		require.False(t, text.IsName(name))
		for what, a := range map[string]answer{
			"pair":   b.submit("/pair", "/pair", "name", name),
			"rename": b.submit("/authenticators", "/authenticators/rename", "id", id, "name", name),
			"mint":   b.submit("/tokens/new", "/tokens/new", "name", name, "kind", "pat", "scope", "projects:read", "days", "30"),
		} {
			require.Equal(t, http.StatusUnprocessableEntity, a.status, "%s: %q", what, name)
			require.Contains(t, a.text(), "This name is too long, or has invisible characters in it.", "%s: %q", what, name)
			require.NotContains(t, a.text(), "A token like this is not allowed.")
		}
	}
	require.Equal(t, before, h.account("ada"))
	for _, name := range []string{strings.Repeat("a", 64), "é", "A phone"} {
		require.True(t, text.IsName(name))
		require.Equal(t, http.StatusOK, b.pair("/pair", "name", name).status, name)
	}
}
