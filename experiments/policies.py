"""Policies that Stable-Baselines3 lacks, by the names that the hyperparameter files may use."""

from __future__ import annotations

from typing import Any

from torch import nn

from robometer_rl.envs.extras import naming_extras

with naming_extras():
    from stable_baselines3.common.policies import ContinuousCritic
    from stable_baselines3.common.preprocessing import get_action_dim
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, create_mlp
    from stable_baselines3.sac.policies import SACPolicy

__all__ = ["POLICIES", "LayerNormCritic", "LayerNormSACPolicy"]


class LayerNormCritic(ContinuousCritic):
    """SB3's critic with a layer norm after each hidden layer, which bounds what it says of unseen actions.

    Source: Hiraoka et al., arXiv 2110.02034, section 3; Ball et al., arXiv 2302.02948, section 4.2.
    """

    def __init__(self, *, net_arch: list[int], activation_fn: type[nn.Module] = nn.ReLU, **rest: Any) -> None:
        """Makes the critic; the arguments are those of SB3's `ContinuousCritic`."""
        super().__init__(net_arch=net_arch, activation_fn=activation_fn, **rest)
        width = rest["features_dim"] + get_action_dim(self.action_space)
        self.q_networks = []
        for index in range(self.n_critics):
            layers = create_mlp(width, 1, net_arch, activation_fn, post_linear_modules=[nn.LayerNorm])
            network = nn.Sequential(*layers)
            setattr(self, f"qf{index}", network)
            self.q_networks.append(network)


class LayerNormSACPolicy(SACPolicy):
    """SAC's policy with `LayerNormCritic`."""

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> ContinuousCritic:
        """Makes a critic or its target; SB3 calls it."""
        options = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return LayerNormCritic(**options).to(self.device)


POLICIES: dict[str, type[SACPolicy]] = {"LayerNormMlpPolicy": LayerNormSACPolicy}
