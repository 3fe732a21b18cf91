"""Networks that see and decode pictures."""

import gymnasium as gym
import pytest
import torch as th

from sb3_vdb.networks import PictureSettings
from sb3_vdb.networks.convolutions import ConvDecoder, ConvEncoder, decoder_kernels
from sb3_vdb.networks.layouts import PatchLayout
from sb3_vdb.networks.patches import PatchDecoder, PatchEncoder
from sb3_vdb.networks.picture_nets import PictureEncoder
from sb3_vdb.vmail.latents import CategoricalLatent, GaussianLatent
from tests.vmail.small import make_policy

LATENTS = [GaussianLatent(4), CategoricalLatent(3, 5)]


def test_sizes_are_those_of_the_paper():
    # facts: encoder 0.69M, decoder 3.80M parameters at 64 pixels and 230 features
    count = lambda module: sum(each.numel() for each in module.parameters())  # noqa: E731
    assert count(ConvEncoder((3, 64, 64), 32)) == 690_144
    assert count(ConvDecoder(230, (3, 64, 64), 32)) == 3_795_555
    assert decoder_kernels(64) == (5, 5, 6, 6)
    assert decoder_kernels(128) == (5, 5, 5, 6, 6)


@pytest.mark.parametrize(
    ("net", "size"),
    [
        *(("conv", size) for size in (16, 32, 48, 64, 84, 96, 128)),
        *(("patches", size) for size in (16, 40, 64)),
    ],
)
def test_pictures_of_every_size_are_decoded_as_large_as_they_are(net, size):
    settings, shape = PictureSettings(net, depth=2), (3, size, size)
    encoder, decoder = settings.encoder(shape), settings.decoder(10, shape)
    layout, pictures = settings.layout(shape), th.zeros(2, 3, size, size)
    assert encoder(layout.arrange(pictures)).shape == (2, encoder.output_dim)
    assert layout.restore(decoder(th.zeros(2, 10))).shape == pictures.shape


@pytest.mark.parametrize("size", [16, 24, 40, 48, 64, 128])
def test_patches_are_pieces_of_the_picture_side_by_side(size):
    rng, layout, n = th.Generator().manual_seed(size), PatchLayout(size // 8), size // 8
    pictures = th.randint(0, 256, (2, 3, 5, size, size), dtype=th.uint8, generator=rng)
    # as they come from replay and environments, also seen through other axes
    for given in (pictures, pictures.transpose(-1, -2).contiguous().transpose(-1, -2)):
        patches = layout.arrange(given)
        assert patches.shape == (2, 3, 8, 8, 5 * n * n)
        for row, column in ((0, 0), (7, 2), (3, 7)):
            piece = pictures[..., row * n : (row + 1) * n, column * n : (column + 1) * n]
            assert th.equal(patches[:, :, row, column], piece.flatten(2))
        assert th.equal(layout.restore(patches), pictures)
    assert th.equal(layout.arrange(pictures.float()), layout.arrange(pictures).float())


def test_the_layer_of_patches_is_a_convolution_of_the_picture():
    encoder, layout = PatchEncoder((3, 32, 32), 4), PatchLayout(4)
    pictures = th.randn(5, 3, 32, 32)
    expected = encoder.layers(pictures)
    assert th.allclose(encoder(layout.arrange(pictures)), expected, atol=1e-5)


def test_patches_that_do_not_come_out_even_are_refused():
    with pytest.raises(ValueError, match="84 pixels have no 8 x 8 equal patches; use a multiple"):
        PatchEncoder((3, 84, 84), 2)
    with pytest.raises(ValueError, match="too small; use at least 16"):
        PatchDecoder(10, (3, 8, 8), 2)
    with pytest.raises(ValueError, match="`picture_net` must be one of conv, patches, got 'vit'"):
        make_policy(picture_net="vit")


def test_a_patch_is_seen_and_decoded_where_it_is():
    encoder, decoder = PatchEncoder((3, 32, 32), 1), PatchDecoder(10, (3, 32, 32), 1)
    picture, layout, seen = th.zeros(2, 3, 32, 32), PatchLayout(4), []
    picture[0, :, 4:8, 24:28] = 1.0  # row 1, column 6 of patches of 4 pixels
    encoder.layers[1].register_forward_hook(lambda *each: seen.append(each[2]))
    encoder(layout.arrange(picture))
    changed = (seen[0][0] != seen[0][1]).any(dim=0)
    assert changed.nonzero().tolist() == [[1, 6]]

    patches = th.zeros(1, 8, 8, 2)
    patches[0, 1, 6] = 1.0
    decoder.patches.forward = lambda _: patches
    decoder.pixels.weight.data = th.arange(48.0).view(48, 1).expand(48, 2) / 2.0
    decoder.background.data = th.full((3, 32, 32), 100.0)
    drawn = layout.restore(decoder(th.zeros(1, 10)))[0] - 100.0
    # of a patch, channels come first, then rows, then columns
    assert th.equal(drawn[:, 4:8, 24:28], th.arange(48.0).view(3, 4, 4))
    assert drawn.count_nonzero() == 47


def test_the_first_layer_of_the_decoder_is_the_transposed_convolution():
    decoder = ConvDecoder(10, (3, 16, 16), 4)
    features = th.randn(2, 10)
    expected = decoder.layers(decoder.start(features)[:, :, None, None])
    assert th.allclose(decoder(features), expected, atol=1e-6)


def test_bfloat16_changes_pictures_little_and_weights_not_at_all():
    for exact, rough in (
        (ConvEncoder((3, 32, 32), 4), ConvEncoder((3, 32, 32), 4, bf16=True)),
        (ConvDecoder(10, (3, 32, 32), 4), ConvDecoder(10, (3, 32, 32), 4, bf16=True)),
        (PatchEncoder((3, 32, 32), 4), PatchEncoder((3, 32, 32), 4, bf16=True)),
        (PatchDecoder(10, (3, 32, 32), 4), PatchDecoder(10, (3, 32, 32), 4, bf16=True)),
    ):
        rough.load_state_dict(exact.state_dict())
        pictures = th.randn(5, 3, 32, 32)
        if isinstance(exact, PatchEncoder):
            pictures = PatchLayout(4).arrange(pictures)
        inputs = pictures if isinstance(exact, PictureEncoder) else th.randn(5, 10)
        expected, found = exact(inputs), rough(inputs)
        assert found.dtype == th.float32
        scale = expected.abs().max()
        assert 0.0 < (found - expected).abs().max() < 0.05 * scale
        found.square().mean().backward()
        assert all(each.grad.dtype == each.dtype == th.float32 for each in rough.parameters())


@pytest.mark.parametrize("net", ["conv", "patches"])
def test_the_policy_hands_on_how_pictures_are_seen_and_decoded(net):
    policy = make_policy(picture_net=net)
    encoder = policy.world_model.encoder.nets["part_observation"]
    decoder = policy.world_model.decoder.nets["part_observation"]
    kinds = {"conv": (ConvEncoder, ConvDecoder), "patches": (PatchEncoder, PatchDecoder)}[net]
    assert (type(encoder), type(decoder)) == kinds
    assert policy._get_constructor_parameters()["picture_net"] == net


def test_bfloat16_is_the_pictures_alone_and_part_of_the_policy():
    policy = make_policy(bf16=True)
    pictures = [each for each in policy.modules() if isinstance(each, (ConvEncoder, ConvDecoder))]
    assert [each.bf16 for each in pictures] == [True, True]
    assert policy._get_constructor_parameters()["bf16"] is True
    encoder = make_policy().world_model.encoder.nets["part_observation"]
    assert not encoder.bf16
    seen = []
    encoder.layers[0].register_forward_hook(lambda *each: seen.append(each[2].dtype))
    with th.autocast("cpu", th.bfloat16):  # of a user's own, is left alone
        encoder(th.zeros(1, 3, 16, 16))
    encoder(th.zeros(1, 3, 16, 16))
    assert seen == [th.bfloat16, th.float32]
    for name, value in (("bf16", True), ("standardize_pictures", True), ("picture_net", "patches")):
        with pytest.raises(ValueError, match=f"`{name}` is for pictures"):
            make_policy(gym.spaces.Box(-1.0, 1.0, (3,)), **{name: value})


def test_pictures_that_no_decoder_makes_are_refused_with_sizes_that_work():
    with pytest.raises(ValueError, match="use 32, 48, 64"):
        decoder_kernels(500)
    with pytest.raises(ValueError, match="too small"):
        decoder_kernels(8)
