package gatehousetest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

// serve returns a site that has nothing but some handlers.
func serve(t *testing.T, handlers map[string]http.HandlerFunc) *gatehousetest.Site {
	t.Helper()
	return gatehousetest.NewSite(t, func(*gatehouse.Service) http.Handler {
		mux := http.NewServeMux()
		for pattern, h := range handlers {
			mux.HandleFunc(pattern, h)
		}
		return mux
	})
}

// sent shows what a form has sent.
func sent(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" ")
	if r.ParseForm() == nil {
		_, _ = io.WriteString(w, r.Form.Encode())
	}
}

// A form is sent as browsers send it.
func TestForms(t *testing.T) {
	const forms = `<!doctype html><!-- <form action="/comment"></form> --><script>"<form action='/none'>"</script>
		<input name="outside"><form method="POST" action="/all?q=1">
		<input type=hidden name="h" value="a &amp; &#34;b&#34; > c"><input name='empty'><input name="off" value=1 disabled>
		<input type="checkbox" name="box" value="1"><input type="checkbox" name="box" value="2" checked><input type="CHECKBOX" name="on">
		<input type="radio" name="r" value="x" checked><input type="radio" name="r" value="y">
		<select name="first"><option value="1">one<option value="2">two</select>
		<select name="second"><option>one</option><option selected>two</option></select>
		<textarea name="area">` + "\nx < y &lt; z" + `</textarea><input value="nameless"><input type="submit" name="s" value="s"><button name="b">Go</button>
		</form><form action="find"><input name="q" value="v"></form><form method="post"><input name="here"></form>`
	site := serve(t, map[string]http.HandlerFunc{"GET /dir/forms": show(forms), "/": sent})
	for _, c := range []struct {
		to     string
		fields []string
		want   string
	}{
		{"/all", nil, "POST /all area=x+%3C+y+%3C+z&box=2&empty=&first=1&h=a+%26+%22b%22+%3E+c&q=1&r=x&second=two"},
		{"/all?q=1", []string{"box", "1", "box", "2", "r", "y", "second", "one", "area", "", "h", "forged", "on", "on"},
			"POST /all area=&box=1&box=2&empty=&first=1&h=forged&on=on&q=1&r=y&second=one"},
		{"/dir/find", []string{"q", "w x"}, "GET /dir/find q=w+x"},
		{"/dir/forms", []string{"here", "1"}, "POST /dir/forms here=1"},
	} {
		b := site.Browser(t)
		b.Get("/dir/forms")
		require.Equal(t, c.want, b.Submit(c.to, c.fields...).Body)
	}
	b := site.Browser(t)
	require.Equal(t, "one two one two x < y < z Go", b.Get("/dir/forms").Text())
	for _, none := range []string{"/none", "/comment"} {
		require.Contains(t, fatal(t, func(t testing.TB) {
			b := site.Browser(t)
			b.Get("/dir/forms")
			b.Submit(none)
		}), "no form for "+none)
	}
}

// Requests say where they come from, and cookies that browsers refuse are refused.
func TestAsBrowsersDo(t *testing.T) {
	headers := func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Sec-Fetch-Site", "Sec-Fetch-Mode", "Origin", "Referer", "Content-Type", "Cookie"} {
			fmt.Fprintf(w, "%s=%s;", name, r.Header.Get(name))
		}
	}
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(headers))
	defer elsewhere.Close()
	site := serve(t, map[string]http.HandlerFunc{
		"/": headers, "GET /form": show(`<form method="post" action="/post"></form>`),
		"GET /cookies": func(w http.ResponseWriter, _ *http.Request) {
			for _, c := range []string{
				"a=1", "__Host-b=1; Secure; Path=/", "__Host-c=1; Path=/", "__Host-d=1; Secure", "__Host-e=1; Secure; Path=/; Domain=127.0.0.1",
				"__host-f=1; Path=/", "__Secure-g=1", "__Secure-h=1; Secure; Path=/", "i=1; Path=/form",
			} {
				w.Header().Add("Set-Cookie", c)
			}
		},
		"POST /post": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/seen", http.StatusSeeOther) },
		"/away":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusSeeOther) },
		"/circle":    func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/circle", http.StatusSeeOther) },
	})
	b := site.Browser(t)
	typed := "Sec-Fetch-Site=none;Sec-Fetch-Mode=navigate;Origin=;Referer=;Content-Type=;Cookie=;"
	require.Equal(t, typed, b.Get("/").Body)
	require.Equal(t, typed, b.Get("/away").Body)
	b.Get("/form")
	from := "Origin=" + site.URL + ";Referer=" + site.URL
	require.Equal(t, "Sec-Fetch-Site=same-origin;Sec-Fetch-Mode=navigate;"+from+"/form;Content-Type=application/x-www-form-urlencoded;Cookie=;",
		b.Post("/").Body)
	b.Get("/form")
	p := b.Submit("/post")
	require.Equal(t, "/seen", p.Path)
	require.Equal(t, "Sec-Fetch-Site=same-origin;Sec-Fetch-Mode=navigate;Origin=;Referer="+site.URL+"/form;Content-Type=;Cookie=;", p.Body)
	require.Contains(t, b.Post("/away").Body, "Sec-Fetch-Site=cross-site;")
	require.Contains(t, fatal(t, func(t testing.TB) { site.Browser(t).Get("/circle") }), "no end")

	b.Get("/cookies")
	require.Contains(t, b.Get("/").Body, "Cookie=a=1; __Host-b=1; __Secure-h=1;")
	require.Contains(t, b.Without("a").Get("/").Body, "Cookie=__Host-b=1; __Secure-h=1;")
	b.Get("/form")
	require.Contains(t, b.Without("a", "__Host-b", "__Secure-h").Post("/form/x").Body, "Cookie=i=1;", "each has its path")
}

// A test fails that asks for anything a browser cannot do.
func TestFails(t *testing.T) {
	site := serve(t, map[string]http.HandlerFunc{
		"/form":                                show(`<p>A form</p><form method="post" action="/post"><input type="radio" name="r" value="x"><input name="q"></form>`),
		"/":                                    show("Nothing"),
		"GET /settings/security/pair":          show(`<form method=post action=/settings/security/pair></form>`),
		"POST /settings/security/pair":         show(`<code id="secret"><code>GEZDGNBVGY3TQOJQ</code><b>GEZDGNBVGY3TQOJQ</b></code>x`),
		"GET /settings/security/pair/codes":    show(`<form method=post action="/settings/security/pair/confirm"><input name=code></form>`),
		"POST /settings/security/pair/confirm": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusSeeOther) },
	})
	for want, do := range map[string]func(*gatehousetest.Browser){
		"no page":                     func(b *gatehousetest.Browser) { b.Submit("/post") },
		"open one first":              func(b *gatehousetest.Browser) { b.Answer("000000") },
		"no form for /x on /form":     func(b *gatehousetest.Browser) { b.Get("/form"); b.Submit("/x") },
		"A form":                      func(b *gatehousetest.Browser) { b.Get("/form"); b.Submit("/post?q=1") },
		`no field "x"`:                func(b *gatehousetest.Browser) { b.Get("/form"); b.Submit("/post", "x", "") },
		`"y" is no choice of "r"`:     func(b *gatehousetest.Browser) { b.Get("/form"); b.Submit("/post", "r", "y") },
		"pairs":                       func(b *gatehousetest.Browser) { b.Get("/form"); b.Submit("/post", "r") },
		"no form for a password":      func(b *gatehousetest.Browser) { b.SignIn("ada", "x") },
		"no code is asked for":        func(b *gatehousetest.Browser) { b.StepUp("000000") },
		"no authenticator app is pai": func(b *gatehousetest.Browser) { b.Pair() },
		"no form for /settings/secur": func(b *gatehousetest.Browser) { b.MintToken("x") },
	} {
		require.Contains(t, fatal(t, func(t testing.TB) { do(site.Browser(t)) }), want)
	}

	site = gatehousetest.NewSite(t, newApp)
	for want, do := range map[string]func(*gatehousetest.Browser){
		"no token is minted":  func(b *gatehousetest.Browser) { b.MintToken("no scope") },
		"no form for a passw": func(b *gatehousetest.Browser) { b.SignIn("ada", "correct horse") },
		"Confirm that it is":  func(b *gatehousetest.Browser) { site.Wait(time.Hour); b.Pair() },
	} {
		require.Contains(t, fatal(t, func(t testing.TB) {
			b := site.Browser(t)
			b.SignIn("ada", "correct horse")
			do(b)
		}), want)
	}
}

// failed is a test that ends at its first failure, whose message it keeps.
type failed struct {
	testing.TB
	message string
}

func (f *failed) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (f *failed) Fatal(args ...any) { f.Fatalf("%s", fmt.Sprint(args...)) }

// fatal returns the message with which a test fails, "" if it does not.
func fatal(t *testing.T, test func(testing.TB)) string {
	t.Helper()
	f, done := &failed{TB: t}, make(chan struct{})
	go func() {
		defer close(done)
		test(f)
	}()
	<-done
	return f.message
}
