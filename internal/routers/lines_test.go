package routers_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/httpguard/ginguard"
)

// says is a handler of net/http that answers with what it does. id returns the parameter of its route.
func (s *site) says(what string, status int, id func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := s.did(r.Context(), what, id(r))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, said)
	})
}

func none(*http.Request) string { return "" }

func netHTTP(t *testing.T, s *site, wrong bool) string {
	scope, page := s.scope, s.page
	r := http.NewServeMux()
	id := func(r *http.Request) string { return r.PathValue("id") }
	show := s.says("project", 200, id)
	r.Handle("GET /api/projects/{id}", scope(show))
	r.Handle("POST /deploy", s.gate(s.says("deploy", 201, none)))
	r.Handle("GET /deploy", s.gate(s.says("deploy", 200, none)))
	r.Handle("GET /email", s.proof(s.says("email", 200, none)))
	r.Handle("POST /projects/{id}/deploys", s.either(s.says("deploys", 201, id)))
	r.Handle("/settings/security/", page)
	if wrong {
		return serve(t, scope(r))
	}
	return serve(t, r)
}

func chiRouter(t *testing.T, s *site, wrong bool) string {
	scope, page := s.scope, s.page
	r := chi.NewRouter()
	if wrong {
		r.Use(scope)
	}
	id := func(r *http.Request) string { return chi.URLParam(r, "id") }
	show := s.says("project", 200, id).ServeHTTP
	r.With(scope).Get("/api/projects/{id}", show)
	r.Group(func(r chi.Router) {
		r.Use(s.gate)
		r.Post("/deploy", s.says("deploy", 201, none).ServeHTTP)
		r.Get("/deploy", s.says("deploy", 200, none).ServeHTTP)
	})
	r.With(s.proof).Get("/email", s.says("email", 200, none).ServeHTTP)
	r.With(s.either).Post("/projects/{id}/deploys", s.says("deploys", 201, id).ServeHTTP)
	r.Mount("/settings/security", page)
	return serve(t, r)
}

// gorillaPathValues is middleware of gorilla/mux: path values for httpguard.PathResource.
func gorillaPathValues(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range mux.Vars(r) {
			r.SetPathValue(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

func gorillaRouter(t *testing.T, s *site, wrong bool) string {
	scope, page := s.scope, s.page
	r := mux.NewRouter()
	if !wrong {
		r.Use(gorillaPathValues)
	}
	id := func(r *http.Request) string { return mux.Vars(r)["id"] }
	show := s.says("project", 200, id)
	r.Handle("/api/projects/{id}", scope(show)).Methods("GET")
	sub := r.Path("/deploy").Subrouter()
	sub.Use(s.gate)
	sub.Handle("", s.says("deploy", 201, none)).Methods("POST")
	sub.Handle("", s.says("deploy", 200, none)).Methods("GET")
	r.Handle("/email", s.proof(s.says("email", 200, none))).Methods("GET")
	r.Handle("/projects/{id}/deploys", s.either(s.says("deploys", 201, id))).Methods("POST")
	r.PathPrefix("/settings/security").Handler(page)
	return serve(t, r)
}

// echoPathValues is middleware of echo: path values for httpguard.PathResource.
func echoPathValues(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		for i, name := range c.ParamNames() {
			c.Request().SetPathValue(name, c.ParamValues()[i])
		}
		return next(c)
	}
}

func echoRouter(t *testing.T, s *site, wrong bool) string {
	scope, page := s.scope, s.page
	r := echo.New()
	if !wrong {
		r.Use(echoPathValues)
	}
	says := func(what string, status int) echo.HandlerFunc {
		return func(c echo.Context) error { return c.String(status, s.did(c.Request().Context(), what, c.Param("id"))) }
	}
	show := says("project", 200)
	r.GET("/api/projects/:id", show, echo.WrapMiddleware(scope))
	deploy := r.Group("/deploy", echo.WrapMiddleware(s.gate))
	deploy.POST("", says("deploy", 201))
	deploy.GET("", says("deploy", 200))
	r.GET("/email", says("email", 200), echo.WrapMiddleware(s.proof))
	r.POST("/projects/:id/deploys", says("deploys", 201), echo.WrapMiddleware(s.either))
	r.Any("/settings/security", echo.WrapHandler(page))
	r.Any("/settings/security/*", echo.WrapHandler(page))
	return serve(t, r)
}

func ginRouter(t *testing.T, s *site, _ bool) string {
	scope, page := s.scope, s.page
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	says := func(what string, status int) gin.HandlerFunc {
		return func(c *gin.Context) { c.String(status, "%s", s.did(c.Request.Context(), what, c.Param("id"))) }
	}
	show := says("project", 200)
	r.GET("/api/projects/:id", ginguard.Wrap(scope), show)
	deploy := r.Group("/deploy", ginguard.Wrap(s.gate))
	deploy.POST("", says("deploy", 201))
	deploy.GET("", says("deploy", 200))
	r.GET("/email", ginguard.Wrap(s.proof), says("email", 200))
	r.POST("/projects/:id/deploys", ginguard.Wrap(s.either), says("deploys", 201))
	r.Any("/settings/security/*path", gin.WrapH(page))
	return serve(t, r)
}

// fiberGuard is a guard as middleware of fiber: the handlers which follow find what it lets through in c.Context().
func fiberGuard(guard func(http.Handler) http.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		var passed context.Context
		guarded := guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { passed = r.Context() }))
		err := adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range c.Route().Params {
				r.SetPathValue(name, c.Params(name)) // the very value that the handler has
			}
			guarded.ServeHTTP(w, r)
		})(c)
		if err != nil || passed == nil {
			return err
		}
		c.SetContext(passed)
		return c.Next()
	}
}

func fiberRouter(t *testing.T, s *site, wrong bool) string {
	scope, page := s.scope, s.page
	r := fiber.New(fiber.Config{UnescapePath: true})
	if wrong {
		r.Use(fiberGuard(scope))
	}
	says := func(what string, status int) fiber.Handler {
		return func(c fiber.Ctx) error { return c.Status(status).SendString(s.did(c.Context(), what, c.Params("id"))) }
	}
	show := says("project", 200)
	r.Get("/api/projects/:id", fiberGuard(scope), show)
	deploy := r.Group("/deploy", fiberGuard(s.gate))
	deploy.Post("", says("deploy", 201))
	deploy.Get("", says("deploy", 200))
	r.Get("/email", fiberGuard(s.proof), says("email", 200))
	r.Post("/projects/:id/deploys", fiberGuard(s.either), says("deploys", 201))
	r.All("/settings/security/*", adaptor.HTTPHandler(page))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- r.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
	t.Cleanup(func() {
		require.NoError(t, r.Shutdown())
		require.NoError(t, <-served)
	})
	return "http://" + listener.Addr().String()
}
