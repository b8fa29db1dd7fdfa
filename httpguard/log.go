package httpguard

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

type noteKey struct{}

// note is what the middleware behind Log has to say of a request.
type note struct{ token string }

// Log logs each request behind it with its status and the ID of its token. It logs neither the token nor
// the query, which is not for secrets but may have some.
func Log(l *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, begun := new(note), time.Now()
			watched := &statusWriter{ResponseWriter: w, status: http.StatusOK}
			defer func() {
				attrs := []slog.Attr{
					slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", watched.status),
					slog.Duration("took", time.Since(begun)),
				}
				if n.token != "" {
					attrs = append(attrs, slog.String("token", n.token))
				}
				l.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
			}()
			next.ServeHTTP(watched, r.WithContext(context.WithValue(r.Context(), noteKey{}, n)))
		})
	}
}

type statusWriter struct {
	http.ResponseWriter
	status  int
	written bool
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.written {
		w.status, w.written = status, status >= 200
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
