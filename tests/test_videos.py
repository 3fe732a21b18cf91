"""Videos as demonstrations: read, cut, scaled, and refused with a word on what to do."""

from dataclasses import replace

import imageio.v2 as imageio
import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from sb3_vdb import VAIL, Demonstrations, make_vec_env
from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.demonstrations.video_files import at_rate, cropped, read_video, resized
from sb3_vdb.evaluation.videos import encode
from sb3_vdb.networks import ConvTrunk, PatchTrunk
from sb3_vdb.views import Picture, PictureDifference, View

RUN = "sb3_vdb/BipedRunVideo-v0"


@pytest.fixture(scope="module")
def clip():
    """The video of the run, 24 frames of 64 x 64 pixels at 30 Hz."""
    return Demonstrations.from_mocap(RUN, n_starts=1)[0].observations["frame"][:24]


# ------------------------------------------------------------------ reading


def test_what_loses_nothing_gives_the_same_frames(clip, tmp_path):
    np.savez(tmp_path / "run.npz", frames=clip, rate=30)
    (tmp_path / "folder").mkdir()
    for i, frame in enumerate(clip):
        imageio.imwrite(tmp_path / "folder" / f"{i:03d}.png", frame)
    for source in (clip, tmp_path / "run.npz", tmp_path / "folder"):
        np.testing.assert_array_equal(read_video(source).frames, clip)
    assert read_video(tmp_path / "run.npz").rate == 30
    assert read_video(tmp_path / "folder").rate is None


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_coded_video_keeps_size_length_and_rate(clip, suffix, tmp_path):
    """Its pixels are near: codecs lose some, a gif's palette less than an mp4's colour planes."""
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg")
    rate = 30 if suffix == ".mp4" else 25  # a gif counts in hundredths of a second
    (tmp_path / f"run{suffix}").write_bytes(encode(list(clip), suffix, rate))
    video = read_video(tmp_path / f"run{suffix}")
    assert video.frames.shape == clip.shape
    assert video.rate == pytest.approx(rate, rel=0.02)
    assert np.abs(video.frames.astype(int) - clip).mean() < 6


def test_a_video_of_twice_the_size_and_rate_gives_the_clip(clip):
    doubled = np.repeat(np.repeat(np.repeat(clip, 2, axis=0), 2, axis=1), 2, axis=2)
    video = at_rate(resized(read_video(doubled)._replace(rate=60.0), 64, 64), 30.0, False)
    np.testing.assert_array_equal(video.frames, clip)


def test_a_part_is_cut_out(clip):
    framed = np.pad(clip, ((0, 0), (5, 7), (3, 2), (0, 0)))
    np.testing.assert_array_equal(cropped(read_video(framed), (5, 3, 64, 64)).frames, clip)


def test_other_rates_take_the_nearest_frame_where_that_is_asked_for(clip):
    video = read_video(clip)._replace(rate=40.0)
    with pytest.raises(ValueError, match=r"40 frames a second, no multiple of .* 30; .*resample"):
        at_rate(video, 30.0, resample=False)
    np.testing.assert_array_equal(
        at_rate(video, 30.0, resample=True).frames, clip[np.rint(np.arange(18) * 4 / 3).astype(int)]
    )
    film = video._replace(rate=29.97)
    np.testing.assert_array_equal(at_rate(film, 30.0, resample=False).frames, clip)


BAD = {
    "one frame": (lambda clip: clip[:1], r"has 1 frame\(s\); a motion needs at least two"),
    "grey": (lambda clip: clip[..., 0], r"is grey \(shape .*np.repeat"),
    "one channel": (lambda clip: clip[..., :1], r"is grey \(shape"),
    "transparent": (
        lambda clip: np.concatenate([clip, clip[..., :1]], axis=-1),
        "transparent pixels .RGBA.; put it on a background",
    ),
    "floats": (lambda clip: clip / 255.0, r"dtype float64; give uint8"),
    "all black": (lambda clip: 0 * clip, r"shows nothing: all its pixels are \(0, 0, 0\)"),
    "flat": (lambda clip: clip[0, 0], r"has shape \(64, 3\); a video is"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_video_is_refused(kind, clip):
    spoil, message = BAD[kind]
    with pytest.raises(ValueError, match=message):
        Demonstrations.from_video(spoil(clip), RUN, rate=30)


def test_an_opaque_fourth_channel_is_left_out(clip):
    opaque = np.concatenate([clip, np.full_like(clip[..., :1], 255)], axis=-1)
    np.testing.assert_array_equal(read_video(opaque).frames, clip)


def test_files_that_cannot_be_read_are_named(clip, tmp_path):
    for name, content, message in (
        ("run.gif", b"no gif", "run.gif cannot be read .*convert it"),
        ("run.txt", b"", "run.txt is no video: its name must end in .mp4"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_video(tmp_path / name)
    np.savez(tmp_path / "other.npz", pictures=clip)
    with pytest.raises(ValueError, match=r"other.npz has no array `frames`; write it with"):
        read_video(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="there is no video"):
        read_video(tmp_path / "missing.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no pictures"):
        read_video(tmp_path / "empty")
    for i, size in enumerate((64, 32)):
        imageio.imwrite(tmp_path / "empty" / f"{i}.png", clip[0, :size])
    with pytest.raises(ValueError, match=r"frames of shapes .* and .*, not one"):
        read_video(tmp_path / "empty")
    (tmp_path / "empty" / "0.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"0\.png cannot be read"):
        read_video(tmp_path / "empty")


def test_a_missing_codec_says_which_package_reads_it(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    (tmp_path / "run.mp4").write_bytes(b"")
    with pytest.raises(ImportError, match=r"imageio-ffmpeg: pip install \"sb3-vdb\[humanoid\]\""):
        read_video(tmp_path / "run.mp4")


# ------------------------------------------------------------------ fitting


def test_a_video_that_does_not_fit_is_refused_with_the_remedy(clip):
    wide = np.pad(clip, ((0, 0), (0, 0), (0, 16), (0, 0)))
    for source, arguments, message in (
        (clip, {}, "nothing says the frame rate of the array; give `rate`"),
        (wide, {"rate": 30}, r"64 x 80 pixels .* without distortion; cut it with"),
        (clip, {"rate": 30, "crop": (0, 10, 64, 64)}, r"`crop` .* reaches beyond the frames"),
        (clip[:12], {"rate": 30}, "lasts 0.40 s, and a cycle of .* clip run 0.80 s; cut the video"),
    ):
        with pytest.raises(ValueError, match=message):
            Demonstrations.from_video(source, RUN, **arguments)
    with pytest.raises(ValueError, match="CMaze-v0 observes no video; the bipeds do"):
        Demonstrations.from_video(clip, "sb3_vdb/CMaze-v0", rate=30)


@pytest.mark.parametrize("stack", [1, 2])
def test_the_clips_own_video_gives_the_clips_demonstrations(clip, stack):
    env_kwargs = {"frame_stack": stack}
    ours = Demonstrations.from_video(clip, RUN, rate=30, env_kwargs=env_kwargs)
    clips = Demonstrations.from_mocap(RUN, n_starts=1, env_kwargs=env_kwargs)
    first, second = (each[0].observations for each in (ours, clips))
    # 0.79997 s are not quite 24 frames, which moves phases by 1e-4 and the tiles' edges by a shade
    np.testing.assert_allclose(first["phase"][:24], second["phase"][:24], atol=1e-4)
    np.testing.assert_allclose(first["frame"][1:24], second["frame"][1:24], atol=3)
    assert ours.view.sees == clips.view.sees


# ------------------------------------------------------------------ the view


def dict_space(size=4):
    return spaces.Dict(
        {
            "frame": spaces.Box(0, 255, (size, size, 3), np.uint8),
            "phase": spaces.Box(-1.0, 1.0, (1,), np.float32),
        }
    )


def test_half_the_difference_around_grey():
    video = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 100, 255)])
    seen = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 255, 100, 0)])
    phases = np.array([[-1.0], [-1.0], [-1 / 3], [1 / 3]], dtype=np.float32)
    view = PictureDifference(video)
    result = view.encode({"frame": seen, "phase": phases}, dict_space(), th.device("cpu"))
    assert result.pictures.shape == (4, 3, 4, 4)
    # (a - b) / 2 + 128, rounded down
    assert result.pictures[:, 0, 0, 0].tolist() == [128, 255, 128, 0]


def test_the_expert_shows_no_difference_at_any_phase(clip):
    demonstrations = Demonstrations.from_video(clip, RUN, rate=30)
    view, space = demonstrations.view.observation, dict_space(64)
    seen = view.encode(demonstrations[0].observations, space, th.device("cpu"))
    assert seen.vectors.shape == (25, 3 * (16**2 + 8**2))
    assert not seen.vectors.any()
    pixels = replace(view, grids=())
    seen = pixels.encode(demonstrations[0].observations, space, th.device("cpu"))
    assert (seen.pictures == 128).all()


def test_a_video_without_such_cells_is_seen_pixel_by_pixel(clip):
    env_kwargs = {"frame_size": 36}
    smaller = Demonstrations.from_mocap(RUN, n_starts=1, env_kwargs=env_kwargs)
    assert smaller.view.observation.grids == ()


def test_videos_that_stay_and_videos_that_loop():
    video = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 50, 100, 150)])
    phases = np.array([-1.0, -0.5, 0.9, 1.0])
    assert PictureDifference(video, loops=True)._rows(phases).tolist() == [0, 1, 0, 0]
    assert PictureDifference(video, loops=False)._rows(phases).tolist() == [0, 1, 3, 3]


def test_grids_see_the_mean_difference_of_their_cells():
    """One white quarter of a black picture of 4 x 4: cells of 2 x 2, then the whole picture."""
    seen = np.zeros((1, 4, 4, 3), np.uint8)
    seen[0, :2, 2:, 1] = 255  # green, above and right
    view = PictureDifference(np.zeros((2, 4, 4, 3), np.uint8), grids=(2, 1))
    observations = {"frame": seen, "phase": np.zeros((1, 1), np.float32)}
    result = view.encode(observations, dict_space(), th.device("cpu"))
    assert result.pictures.shape[1] == 0
    red, green, blue, whole = result.vectors[0].split([4, 4, 4, 3])
    assert green.tolist() == [0.0, 255.0, 0.0, 0.0]
    assert not red.any()
    assert not blue.any()
    assert whole.tolist() == [0.0, 255.0 / 4, 0.0]
    first = {"frame": np.moveaxis(seen, -1, 1), "phase": observations["phase"]}
    space = spaces.Dict({**dict_space().spaces, "frame": spaces.Box(0, 255, (3, 4, 4), np.uint8)})
    channels_first = PictureDifference(np.zeros((2, 3, 4, 4), np.uint8), grids=(2, 1))
    other = channels_first.encode(first, space, th.device("cpu"))
    assert th.equal(other.vectors, result.vectors)


def test_coarse_grids_tell_how_far_a_motion_is_and_pixels_do_not(clip):
    """Mean squared difference to the run one and four frames later: it grows twice as much on a
    grid of 8 x 8 cells as over pixels.
    """
    growth = {}
    for grids in ((8,), (64,)):
        view = PictureDifference(clip, grids=grids)
        squares = []
        for shift in (1, 4):
            phases = (-1.0 + 2.0 * np.arange(24) / 24).astype(np.float32)[:, None]
            late = {"frame": np.roll(clip, -shift, axis=0), "phase": phases}
            seen = view.encode(late, dict_space(64), th.device("cpu"))
            squares.append(float(seen.vectors.square().mean()))
        growth[grids] = squares[1] / squares[0]
    assert growth[8,] > 2.0 * growth[64,]


def test_bad_videos_and_other_sizes_are_refused():
    with pytest.raises(ValueError, match="must be pictures of dtype uint8"):
        PictureDifference(np.zeros((3, 4, 4, 3)))
    with pytest.raises(ValueError, match="must be two rising numbers"):
        PictureDifference(np.zeros((3, 4, 4, 3), np.uint8), span=(1.0, -1.0))
    with pytest.raises(ValueError, match=r"`grids` has 3, and pictures of 4 x 4 pixels have no"):
        PictureDifference(np.zeros((3, 4, 4, 3), np.uint8), grids=(2, 3))
    view = PictureDifference(np.zeros((3, 4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="read the video in that size"):
        view.probe(dict_space(8))


# ------------------------------------------------------------------ learning


def make_trainer(view=None, trunk=None, demo_batch_size=16):
    venv = make_vec_env(RUN, 4, seed=0)
    generator = DeepMimicPPO(
        "MultiInputPolicy",
        venv,
        n_steps=16,
        batch_size=32,
        policy_kwargs={"features_extractor_kwargs": {"key": "state"}},
        seed=0,
        device="cpu",
    )
    kwargs = {"code_dim": 4}
    if trunk is not None:
        kwargs |= {"trunk_class": trunk, "trunk_kwargs": {"depth": 4, "features_dim": 16}}
    if view is not None:
        kwargs["view"] = view
    return VAIL(
        Demonstrations.from_mocap(RUN, n_starts=2),
        venv,
        generator,
        demo_batch_size=demo_batch_size,
        n_disc_updates_per_round=1,
        discriminator_kwargs=kwargs,
        terminal_reward=0.0,
        seed=0,
        device="cpu",
    )


def pixels_of(demonstrations):
    view = demonstrations.view
    return replace(view, observation=replace(view.observation, grids=()))


@pytest.mark.parametrize("trunk", [None, PatchTrunk, ConvTrunk])
def test_vail_learns_from_frames_alone(trunk):
    """On grids, with its defaults, and pixel by pixel."""
    demonstrations = Demonstrations.from_mocap(RUN, n_starts=1)
    trainer = make_trainer(None if trunk is None else pixels_of(demonstrations), trunk)
    before = [weight.clone() for weight in trainer.discriminator.parameters()]
    trainer.learn(128)
    after = list(trainer.discriminator.parameters())
    assert all(not th.equal(a, b) for a, b in zip(before, after, strict=True))
    assert isinstance(trainer.discriminator.transition_encoder.view.observation, PictureDifference)


def test_plain_frames_are_seen_and_states_are_not():
    trainer = make_trainer(View(Picture("frame"), sees=("next_observations",)), PatchTrunk)
    assert trainer.discriminator.transition_encoder.keys == ("frame",)
    trainer.learn(64)


def test_a_saved_trainer_keeps_the_video(tmp_path):
    trainer = make_trainer()
    trainer.learn(64)
    path = tmp_path / "trainer.zip"
    trainer.save(path)
    loaded = VAIL.load(path, make_vec_env(RUN, 4, seed=0))
    before, after = (
        each.discriminator.transition_encoder.view.observation for each in (trainer, loaded)
    )
    np.testing.assert_array_equal(before.frames, after.frames)
    loaded.learn(64, reset_num_timesteps=False)


def test_a_rollout_keeps_the_part_that_the_policy_reads():
    trainer = make_trainer()
    assert set(trainer.gen_algo.rollout_buffer.observations) == {"state"}


def test_patches_of_no_square_picture_are_refused():
    with pytest.raises(ValueError, match="PatchTrunk takes square pictures"):
        PatchTrunk((3, 64, 32))
    assert PatchTrunk((3, 64, 64))(th.zeros(2, 3, 64, 64)).shape == (2, 128)


def test_batches_larger_than_a_video_repeat_plain_frames_but_no_differences(recwarn):
    """48 steps and batches of 64: every demonstrated step shows the same, no difference."""
    make_trainer(demo_batch_size=64)
    assert not [each for each in recwarn if "demo_batch_size" in str(each.message)]
    with pytest.warns(UserWarning, match="every batch repeats"):
        make_trainer(View(Picture("frame"), sees=("next_observations",)), PatchTrunk, 64)
