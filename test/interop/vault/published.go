// What the published module lacks of Vault's own build.
package main

import (
	_ "unsafe" // for go:linkname

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/vault"
)

// The paths of the enterprise edition have no operations here, and the framework panics on such paths.
//
//go:linkname enterprisePaths github.com/hashicorp/vault/vault.entPaths
var enterprisePaths func(*vault.SystemBackend) []*framework.Path

func init() {
	enterprisePaths = func(*vault.SystemBackend) []*framework.Path { return nil }
}

// noPlugins is a registry without a plugin: the engines are given to the core directly.
type noPlugins struct{}

func (noPlugins) Contains(string, consts.PluginType) bool { return false }

func (noPlugins) Get(string, consts.PluginType) (func() (interface{}, error), bool) {
	return nil, false
}

func (noPlugins) Keys(consts.PluginType) []string { return nil }

func (noPlugins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Unknown, false
}

func (noPlugins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
