package io.fisherstreams.similarity;

import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.AffineTransform;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.function.IntFunction;
import javax.imageio.ImageIO;

/**
 * A similarity as a picture: the cosines of the whole models, each model's share of each layer, and
 * the colour scale of both.
 */
public final class HeatMap {
  private static final int MAX_PIXELS = 2400;
  private static final int LARGEST_CELL = 44;
  private static final int SMALLEST_LABELLED_CELL = 9;
  private static final int SMALLEST_NUMBERED_CELL = 36;
  private static final int MARGIN = 24;
  private static final int TITLE = 40;
  private static final int LEGEND = 90;
  private static final Color UNDEFINED = new Color(0xBDBDBD);

  // viridis at 0, 1/4, 1/2, 3/4 and 1: its lightness grows evenly, also for colour-blind readers
  private static final int[] SCALE = {0x440154, 0x3B528B, 0x21918C, 0x5EC962, 0xFDE725};

  private final Similarity similarity;
  private final List<String> models;
  private final List<String> layers;
  private final int cell;
  private final int rowLabels;
  private final int columnLabels;

  private HeatMap(Similarity similarity) {
    this.similarity = similarity;
    models = similarity.models();
    layers = similarity.layers().stream().map(Similarity.Part::name).toList();
    int cells = Math.max(models.size(), layers.size());
    cell = Math.max(1, Math.min(LARGEST_CELL, MAX_PIXELS / Math.max(1, cells)));
    int longestModel = longest(models);
    rowLabels = 8 * Math.max(longestModel, longest(layers)) + MARGIN;
    columnLabels = 8 * longestModel + MARGIN;
  }

  private static int longest(List<String> names) {
    return names.stream().mapToInt(String::length).max().orElse(0);
  }

  /** The picture as PNG. */
  public static byte[] png(Similarity similarity) {
    // No window is opened, and a server has no display.
    System.setProperty("java.awt.headless", "true");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      ImageIO.write(new HeatMap(similarity).draw(), "png", bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private BufferedImage draw() {
    int width = rowLabels + Math.max(300, models.size() * cell) + LEGEND + MARGIN;
    int cosinesTop = TITLE;
    int sharesTop = cosinesTop + columnLabels + models.size() * cell + MARGIN + TITLE;
    int height = sharesTop + columnLabels + layers.size() * cell + MARGIN;
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    try {
      graphics.setRenderingHint(
          RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      graphics.setColor(Color.WHITE);
      graphics.fillRect(0, 0, width, height);
      title(
          graphics,
          String.format(
              Locale.ROOT,
              "Release %d: cosine between the models' Fishers",
              similarity.plan().getRelease()),
          cosinesTop);
      cells(
          graphics,
          cosinesTop + columnLabels,
          models,
          row -> similarity.whole().cosines().get(row));
      title(graphics, "Each model's share of each layer", sharesTop);
      cells(
          graphics,
          sharesTop + columnLabels,
          layers,
          row -> similarity.layers().get(row).shares().stream().map(OptionalDouble::of).toList());
      legend(graphics, width - LEGEND, cosinesTop + columnLabels);
    } finally {
      graphics.dispose();
    }
    return image;
  }

  private static void title(Graphics2D graphics, String text, int top) {
    graphics.setColor(Color.BLACK);
    graphics.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 15));
    graphics.drawString(text, MARGIN, top - 14);
  }

  private void cells(
      Graphics2D graphics, int top, List<String> rows, IntFunction<List<OptionalDouble>> values) {
    graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, Math.min(12, cell)));
    boolean isLabelled = cell >= SMALLEST_LABELLED_CELL;
    for (int column = 0; isLabelled && column < models.size(); column++) {
      AffineTransform upright = graphics.getTransform();
      graphics.setColor(Color.BLACK);
      graphics.translate(rowLabels + column * cell + cell / 2 + 4, top - 6);
      graphics.rotate(-Math.PI / 2);
      graphics.drawString(models.get(column), 0, 0);
      graphics.setTransform(upright);
    }
    for (int row = 0; row < rows.size(); row++) {
      int y = top + row * cell;
      if (isLabelled) {
        graphics.setColor(Color.BLACK);
        int textWidth = graphics.getFontMetrics().stringWidth(rows.get(row));
        graphics.drawString(rows.get(row), rowLabels - 8 - textWidth, y + cell / 2 + 4);
      }
      List<OptionalDouble> cells = values.apply(row);
      for (int column = 0; column < cells.size(); column++) {
        cell(graphics, rowLabels + column * cell, y, cells.get(column));
      }
    }
  }

  private void cell(Graphics2D graphics, int x, int y, OptionalDouble value) {
    graphics.setColor(value.isPresent() ? color(value.getAsDouble()) : UNDEFINED);
    graphics.fillRect(x, y, cell, cell);
    if (cell >= SMALLEST_NUMBERED_CELL) {
      String text =
          value.isPresent() ? String.format(Locale.ROOT, "%.2f", value.getAsDouble()) : "-";
      graphics.setColor(value.isPresent() && value.getAsDouble() < 0.6 ? Color.WHITE : Color.BLACK);
      int textWidth = graphics.getFontMetrics().stringWidth(text);
      graphics.drawString(text, x + (cell - textWidth) / 2, y + cell / 2 + 4);
    }
  }

  private static void legend(Graphics2D graphics, int x, int top) {
    int height = 160;
    for (int i = 0; i < height; i++) {
      graphics.setColor(color(1 - i / (height - 1.0)));
      graphics.fillRect(x, top + i, 18, 1);
    }
    graphics.setColor(UNDEFINED);
    graphics.fillRect(x, top + height + 14, 18, 18);
    graphics.setColor(Color.BLACK);
    graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    graphics.drawString("1", x + 24, top + 10);
    graphics.drawString("0.5", x + 24, top + height / 2 + 4);
    graphics.drawString("0", x + 24, top + height);
    graphics.drawString("undefined", x + 24, top + height + 28);
  }

  /** The colour of a value from 0 to 1. */
  static Color color(double value) {
    double place = Math.max(0, Math.min(1, value)) * (SCALE.length - 1);
    int below = Math.min(SCALE.length - 2, (int) place);
    double part = place - below;
    int mixed = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
      int from = SCALE[below] >> shift & 0xFF;
      int to = SCALE[below + 1] >> shift & 0xFF;
      mixed |= (int) Math.round(from + part * (to - from)) << shift;
    }
    return new Color(mixed);
  }
}
