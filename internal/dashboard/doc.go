// Package dashboard holds the Grafana dashboard in docs to what otelgatehouse really exports: its tests scrape a service as
// Prometheus does, and have Prometheus's own engine answer each query. It is a module of its own so that nobody else needs
// that.
package dashboard
