package ginguard_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/httpguard/ginguard"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

type key struct{}

func pass(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "from the guard")))
	})
}

func refuse(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "refused ", r.PathValue("id"))
	})
}

// silent answers nothing at all: a handler must not run all the same.
func silent(http.Handler) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
}

func engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	return gin.New()
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestWrap(t *testing.T) {
	for _, where := range []string{"on the route", "on the group", "on the engine"} {
		for name, c := range map[string]struct {
			guard  func(http.Handler) http.Handler
			status int
			body   string
			ran    bool
		}{
			"passes":  {pass, 201, "7 from the guard", true},
			"refuses": {refuse, 418, "refused 7", false},
			"silent":  {silent, 200, "", false},
		} {
			ran, after := false, false
			show := func(c *gin.Context) {
				ran = true
				c.String(http.StatusCreated, "%s %v", c.Param("id"), c.Request.Context().Value(key{}))
			}
			r := engine()
			r.Use(func(c *gin.Context) {
				request, writer := c.Request, c.Writer
				c.Next()
				require.Same(t, request, c.Request, "who comes back has what he had")
				require.Equal(t, writer, c.Writer)
				require.Equal(t, !ran, c.IsAborted())
				after = true
			})
			guard := ginguard.Wrap(c.guard)
			switch where {
			case "on the route":
				r.GET("/projects/:id", guard, show)
			case "on the group":
				r.Group("/projects/:id", guard).GET("", show)
			default:
				r.Use(guard)
				r.GET("/projects/:id", show)
			}
			w := get(r, "/projects/7")
			require.Equal(t, c.status, w.Code, name)
			require.Equal(t, c.body, w.Body.String(), name)
			require.Equal(t, c.ran, ran, name)
			require.True(t, after)
		}
	}
}

// One behind the other: each is asked, in order, and the first one that refuses is the last one.
func TestTwo(t *testing.T) {
	r := engine()
	ran := false
	r.GET("/projects/:id", ginguard.Wrap(pass), ginguard.Wrap(refuse), ginguard.Wrap(pass), func(*gin.Context) { ran = true })
	require.Equal(t, "refused 7", get(r, "/projects/7").Body.String())
	require.False(t, ran)
	r.GET("/both/:id", ginguard.Wrap(pass), ginguard.Wrap(pass), func(c *gin.Context) { c.String(200, "in") })
	require.Equal(t, "in", get(r, "/both/7").Body.String())
}

// A wildcard is what is left of the path, as {path...} of net/http is.
func TestPathValues(t *testing.T) {
	r := engine()
	var path, missing string
	r.GET("/files/*path", ginguard.Wrap(pass), func(c *gin.Context) {
		path, missing = c.Request.PathValue("path"), c.Request.PathValue("other")
	})
	get(r, "/files/a/b%20c")
	require.Equal(t, "a/b c", path)
	require.Empty(t, missing)
}

// What a middleware does to the answer is done to that of gin's handlers too.
func TestWriter(t *testing.T) {
	r := engine()
	var out bytes.Buffer
	r.Use(ginguard.Wrap(httpguard.Log(slog.New(slog.NewTextHandler(&out, nil)))))
	r.GET("/json", func(c *gin.Context) { c.JSON(http.StatusConflict, gin.H{"a": 1}) })
	r.GET("/text", func(c *gin.Context) { _, _ = c.Writer.WriteString("text"); c.Writer.Flush() })
	r.GET("/status", func(c *gin.Context) { c.Status(http.StatusAccepted) })
	r.GET("/abort", func(c *gin.Context) { c.AbortWithStatus(http.StatusForbidden) })
	for path, status := range map[string]int{"/json": 409, "/text": 200, "/status": 202, "/abort": 403} {
		out.Reset()
		require.Equal(t, status, get(r, path).Code, path)
		require.Contains(t, out.String(), fmt.Sprintf("status=%d", status), path)
	}
	require.Equal(t, `{"a":1}`, get(r, "/json").Body.String())
	require.Equal(t, "text", get(r, "/text").Body.String())
}

// loud is a writer of a middleware, such as one that compresses.
type loud struct {
	http.ResponseWriter
	header http.Header
}

func (l loud) Header() http.Header         { return l.header }
func (l loud) Write(b []byte) (int, error) { return l.ResponseWriter.Write(bytes.ToUpper(b)) }

func TestWriterIsTheOneOfTheMiddleware(t *testing.T) {
	r := engine()
	own := loud{header: http.Header{}}
	guard := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			own.ResponseWriter = w
			next.ServeHTTP(own, r)
		})
	}
	r.GET("/", ginguard.Wrap(guard), func(c *gin.Context) {
		c.Header("X-A", "b")
		_, _ = c.Writer.Write([]byte("one "))
		_, _ = c.Writer.WriteString("two")
		require.Equal(t, own, c.Writer.(interface{ Unwrap() http.ResponseWriter }).Unwrap())
		require.NoError(t, http.NewResponseController(c.Writer).Flush())
	})
	require.Equal(t, "ONE TWO", get(r, "/").Body.String())
	require.Equal(t, "b", own.header.Get("X-A"))
}

// A handler that panics leaves nothing behind, and gin's Recovery answers.
func TestPanic(t *testing.T) {
	r := engine()
	r.Use(gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, _ any) { c.AbortWithStatus(http.StatusInternalServerError) }))
	r.GET("/", ginguard.Wrap(pass), func(*gin.Context) { panic("a fault") })
	require.Equal(t, 500, get(r, "/").Code)
}

func ExampleWrap() {
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := httpguard.New(httpguard.Config{Service: svc}) // and Session
	if err != nil {
		log.Fatal(err)
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/projects", ginguard.Wrap(guard.RequireSignedIn()), func(c *gin.Context) {
		c.String(http.StatusOK, "the projects of %s", httpguard.Account(c.Request.Context()))
	})
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", "/projects", nil))
	fmt.Println(w.Code)
	// Output: 401
}
