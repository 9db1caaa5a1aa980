package io.fisherstreams.gradient.example;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Converts an image file to {@code pixel_values}, as Hugging Face's {@code CLIPImageProcessor}
 * does: resize, centre crop, scale to 0 … 1 and normalise by channel. Each step can be turned off
 * by the settings.
 *
 * @param channels 1 or 3
 * @param resize how to resize first, if at all
 * @param crop size of the centre crop, if there is one; beyond the image it is black
 * @param factor the factor of pixels 0 … 255
 * @param mean is then subtracted, by channel
 * @param deviation is the divisor after that, by channel
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
public record ImageProcessor(
    int channels,
    Optional<Resize> resize,
    Optional<Size> crop,
    double factor,
    double[] mean,
    double[] deviation) {
  private static final double[] CLIP_MEAN = {0.48145466, 0.4578275, 0.40821073};
  private static final double[] CLIP_DEVIATION = {0.26862954, 0.26130258, 0.27577711};

  /** Pixels of a side of the images that models get. */
  static final int MAX_SIDE = 4096;

  /** Rows and columns. */
  record Size(int height, int width) {}

  /**
   * How to resize.
   *
   * @param shortest length of the shorter side, the other in proportion; absent for an exact size
   * @param exact the size, absent for the shorter side's length
   */
  record Resize(Optional<Integer> shortest, Optional<Size> exact, Resampling resampling) {

    Size size(Pixels image) {
      return exact.orElseGet(() -> inProportion(image));
    }

    Pixels apply(Pixels image) {
      Size size = size(image);
      return resampling.resize(image, size.width(), size.height());
    }

    private Size inProportion(Pixels image) {
      int length = shortest.orElseThrow();
      int shorter = Math.min(image.height(), image.width());
      int longer = Math.max(image.height(), image.width());
      int scaled = (int) Math.min(Integer.MAX_VALUE, (long) length * longer / shorter);
      return image.height() <= image.width() ? new Size(length, scaled) : new Size(scaled, length);
    }
  }

  /**
   * The processor of a model: the settings of its {@code preprocessor_config.json}, with the
   * defaults of CLIP for a CLIP tower and of ViT for a ViT; for other models, resizing, cropping
   * and scaling alone. ViT's resizes to a square, whatever the image's sides, and does not crop.
   *
   * @param model the model's config
   * @param settings its {@code preprocessor_config.json}, if there is one
   * @throws InvalidInput when a setting is not supported
   */
  public static ImageProcessor of(ModelConfig model, Optional<ModelConfig> settings) {
    ModelConfig vision = model.section("vision_config").orElse(model);
    boolean clip = model.modelType().startsWith("clip");
    boolean vit = model.modelType().equals("vit");
    boolean flat = model.modelType().equals("mlp");
    int channels = flat ? 1 : vision.positive("num_channels", 3);
    if (channels != 1 && channels != 3) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: num_channels %d: image files give 1 or 3 channels",
              vision.origin(),
              channels));
    }
    int side = flat ? squareSide(model) : vision.positive("image_size", 224);
    ModelConfig config =
        settings.orElseGet(() -> ModelConfig.parse("default image settings", "{}"));
    double[] noMean = new double[channels];
    double[] noDeviation = channels == 1 ? new double[] {1} : new double[] {1, 1, 1};
    boolean normalised = config.flag("do_normalize", clip || vit || settings.isPresent());
    double[] half = channels == 1 ? new double[] {0.5} : new double[] {0.5, 0.5, 0.5};
    double[] mean = vit ? half : clip && channels == 3 ? CLIP_MEAN : noMean;
    double[] deviation = vit ? half : clip && channels == 3 ? CLIP_DEVIATION : noDeviation;
    ImageProcessor processor =
        new ImageProcessor(
            channels,
            config.flag("do_resize", true)
                ? Optional.of(resize(config, side, vit))
                : Optional.empty(),
            config.flag("do_center_crop", !vit)
                ? Optional.of(crop(config, side))
                : Optional.empty(),
            config.flag("do_rescale", true) ? config.number("rescale_factor", 1.0 / 255) : 1,
            normalised ? config.numbers("image_mean", channels).orElse(mean) : noMean,
            normalised ? config.numbers("image_std", channels).orElse(deviation) : noDeviation);
    processor.requireFinite(config.origin());
    return processor;
  }

  private void requireFinite(String origin) {
    for (int channel = 0; channel < channels; channel++) {
      if (!Float.isFinite(value(0, channel)) || !Float.isFinite(value(255, channel))) {
        throw new InvalidInput(
            ("%s: rescale_factor %s, image_mean %s and image_std %s give pixels that are not finite"
                    + " in float32")
                .formatted(origin, factor, mean[channel], deviation[channel]));
      }
    }
  }

  private float value(double pixel, int channel) {
    return (float) ((pixel * factor - mean[channel]) / deviation[channel]);
  }

  private static int squareSide(ModelConfig model) {
    int size = model.positive("input_size");
    int side = (int) Math.round(Math.sqrt(size));
    if (side * side != size) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: input_size %d is no square, so image files do not fit; give pixel_values as tensors",
              model.origin(),
              size));
    }
    return side;
  }

  private static Resize resize(ModelConfig config, int side, boolean square) {
    Resampling resampling =
        Resampling.numbered(config.origin(), config.positive("resample", square ? 2 : 3));
    Optional<ModelConfig> size = config.section("size");
    if (size.isPresent() && !size.get().has("shortest_edge")) {
      return new Resize(Optional.empty(), Optional.of(size(size.get())), resampling);
    }
    if (size.isEmpty() && square) {
      int length = side(config, config.positive("size", side));
      return new Resize(Optional.empty(), Optional.of(new Size(length, length)), resampling);
    }
    int shortest =
        size.map(keys -> side(keys, keys.positive("shortest_edge")))
            .orElseGet(() -> side(config, config.positive("size", side)));
    return new Resize(Optional.of(shortest), Optional.empty(), resampling);
  }

  private static Size crop(ModelConfig config, int side) {
    return config
        .section("crop_size")
        .map(ImageProcessor::size)
        .orElseGet(
            () -> {
              int length = side(config, config.positive("crop_size", side));
              return new Size(length, length);
            });
  }

  private static Size size(ModelConfig keys) {
    return new Size(side(keys, keys.positive("height")), side(keys, keys.positive("width")));
  }

  private static int side(ModelConfig config, int pixels) {
    if (pixels > MAX_SIDE) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: a side of %d pixels, expected at most %d",
              config.origin(),
              pixels,
              MAX_SIDE));
    }
    return pixels;
  }

  /**
   * Reads an image file.
   *
   * @return float32 (channels, height, width)
   * @throws InvalidInput when it is not an image that can be decoded
   */
  InputTensor read(Path file) {
    Pixels image = ImageFile.read(file, channels);
    Size size = resize.map(how -> how.size(image)).orElse(null);
    if (size != null && (long) size.height() * size.width() > ImageFile.MAX_PIXELS) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: an image of %d × %d pixels has more than %d pixels when it is resized",
              file,
              image.width(),
              image.height(),
              ImageFile.MAX_PIXELS));
    }
    return process(image);
  }

  InputTensor process(Pixels image) {
    Pixels resized = resize.map(how -> how.apply(image)).orElse(image);
    Size size = crop.orElse(new Size(resized.height(), resized.width()));
    int top = Math.floorDiv(resized.height() - size.height(), 2);
    int left = Math.floorDiv(resized.width() - size.width(), 2);
    float[] values = new float[channels * size.height() * size.width()];
    int next = 0;
    for (int c = 0; c < channels; c++) {
      for (int y = 0; y < size.height(); y++) {
        for (int x = 0; x < size.width(); x++) {
          values[next++] = value(resized.at(c, top + y, left + x), c);
        }
      }
    }
    return InputTensor.ofFloats(
        List.of((long) channels, (long) size.height(), (long) size.width()), values);
  }
}
