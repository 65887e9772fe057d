//go:build darwin

package process

func listensMain() {}
