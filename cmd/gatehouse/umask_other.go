//go:build !unix

package main

func restrict() {}
