package local_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/local"
)

func TestIs(t *testing.T) {
	for _, link := range []string{"/", "/a", "/a?b=//c", "/a#b", "/:8080", "/%2F/"} {
		require.True(t, local.Is(link), link)
	}
	for _, link := range []string{"", "a", "//evil.test", "///evil.test", `/\evil.test`, `\/evil.test`, "/\t/evil.test", "/\n", "/\x7f", "https://evil.test", "?x", "#x", " /a"} {
		require.False(t, local.Is(link), link)
	}
}

// A request is below a path only where every router has to take it for one that is.
func TestBelow(t *testing.T) {
	const page = "/settings/security"
	request := func(target, changed string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "https://acme.test/", nil)
		u, err := url.ParseRequestURI(target)
		require.NoError(t, err)
		r.RequestURI, r.URL = target, u
		if changed != "" {
			r.URL = &url.URL{Path: changed}
		}
		return r
	}
	for _, target := range []string{page, page + "/", page + "/sign-in", page + "/tokens/a%20b", page + "/sign-in?next=/../x"} {
		require.NotNil(t, local.Below(request(target, ""), "", page), target)
	}
	for _, target := range []string{
		"/", "/x", page + "x", "/settings", page + "/../x", page + "/../../x", page + "/%2e%2e/x", page + "/..%2fx", page + "//x", page + "/./x", page + "/x/..",
		"//acme.test" + page, "/x" + page, "/SETTINGS/security/x",
	} {
		require.Nil(t, local.Below(request(target, ""), "", page), target)
	}

	// What a proxy, or http.StripPrefix, has taken off is taken into account; what another handler has made of the path
	// is the path.
	require.Equal(t, "/app"+page+"/x", local.Below(request(page+"/x", ""), "/app", "/app"+page).Path)
	require.Equal(t, "/app"+page+"/x", local.Below(request("/app"+page+"/x", page+"/x"), "", "/app"+page).Path)
	require.Nil(t, local.Below(request("/app"+page+"/x", "/deploy"), "", "/app"+page), "it was rewritten to another place")
	require.Nil(t, local.Below(request(page+"/x", "/deploy"), "", page))
	require.Nil(t, local.Below(request("/x", ""), "/app", "/app"+page))
	require.Equal(t, "/app/x?y", local.Public(request("/x?y", ""), "/app").RequestURI())
}
