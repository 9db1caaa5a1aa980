package io.fisherstreams.cli.output;

import io.fisherstreams.oneshot.TaskProgress;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Progress on standard error: on a terminal a bar with rate and time left, elsewhere a plain line
 * every few seconds.
 */
public final class TerminalProgress implements TaskProgress {
  private static final Duration PLAIN_INTERVAL = Duration.ofSeconds(5);

  private static final long KIB = 1 << 10;
  private static final long MIB = 1 << 20;

  private final CommandSpec spec;
  private final String task;
  private final boolean isBytes;
  private String unit;
  private long size;
  private final AtomicLong count = new AtomicLong();
  private volatile long tokens;
  private ProgressBar bar;
  private boolean isClosed;
  private long total;
  private long started = System.nanoTime();
  private long reported = started;

  private TerminalProgress(CommandSpec spec, String task, boolean isBytes) {
    this.spec = spec;
    this.task = task;
    this.isBytes = isBytes;
    chooseUnit(0);
  }

  /** The largest unit of which the task has one: a file of some kilobytes is not 0 MiB. */
  private void chooseUnit(long amount) {
    size = !isBytes || amount < KIB ? 1 : amount < MIB ? KIB : MIB;
    unit = !isBytes ? "examples" : size == 1 ? "bytes" : size == KIB ? "KiB" : "MiB";
  }

  /** Progress of a task that is counted in bytes. */
  public static TerminalProgress of(CommandSpec spec, String task) {
    return new TerminalProgress(spec, task, true);
  }

  /** Progress of a task that is counted in examples. */
  public static TerminalProgress ofExamples(CommandSpec spec, String task) {
    return new TerminalProgress(spec, task, false);
  }

  @Override
  @SuppressWarnings("SystemConsoleNull") // up to Java 21; later ones have Console.isTerminal
  public void total(long amount) {
    total = amount;
    chooseUnit(amount);
    started = System.nanoTime();
    reported = started;
    if (System.console() != null) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setInitialMax(amount)
              .setUnit(" " + unit, size)
              .showSpeed(new DecimalFormat("0.0", DecimalFormatSymbols.getInstance(Locale.ROOT)))
              .setStyle(ProgressBarStyle.ASCII)
              .setConsumer(new ConsoleProgressBarConsumer(System.err))
              .build();
    }
  }

  @Override
  public void add(long more) {
    long sum = count.addAndGet(more);
    if (bar != null) {
      if (tokens > 0) {
        bar.setExtraMessage(tokens());
      }
      bar.stepTo(sum);
      return;
    }
    synchronized (this) {
      long now = System.nanoTime();
      if (now - reported >= PLAIN_INTERVAL.toNanos()) {
        reported = now;
        double rate = sum / seconds();
        spec.commandLine()
            .getErr()
            .printf(
                Locale.ROOT,
                "%s: %d of %d %s, %s, %s%.0f s left%n",
                task,
                sum / size,
                total / size,
                unit,
                rate(rate, isBytes),
                tokens > 0 ? tokens() + ", " : "",
                (total - sum) / rate);
      }
    }
  }

  @Override
  public void upTo(long done, long amount) {
    synchronized (this) {
      if (total == 0) {
        total(amount);
      }
    }
    add(Math.max(0, done - count.get()));
  }

  /**
   * Ends the bar, or prints how long the task took. What is printed next is on a line of its own.
   */
  @Override
  public void done() {
    if (bar != null) {
      close();
      return;
    }
    spec.commandLine()
        .getErr()
        .printf(
            Locale.ROOT,
            "%s: %d %s in %.1f s, %s%s%n",
            task,
            count.get() / size,
            unit,
            seconds(),
            rate(count.get() / seconds(), isBytes),
            tokens > 0 ? ", " + tokens() : "");
  }

  /**
   * As {@link #upTo}, of a task that is counted in examples.
   *
   * @param ofTexts tokens of the examples so far; 0 when they have none
   */
  public void examples(long done, long amount, long ofTexts) {
    tokens = ofTexts;
    upTo(done, amount);
  }

  private String tokens() {
    return String.format(Locale.ROOT, "%d tokens, %.1f tokens/s", tokens, tokens / seconds());
  }

  /** A rate for people; bytes in the largest unit of which it has one. */
  static String rate(double perSecond, boolean isBytes) {
    if (!isBytes) {
      return String.format(Locale.ROOT, "%.1f examples/s", perSecond);
    }
    return perSecond < KIB
        ? String.format(Locale.ROOT, "%.0f bytes/s", perSecond)
        : perSecond < MIB
            ? String.format(Locale.ROOT, "%.1f KiB/s", perSecond / KIB)
            : String.format(Locale.ROOT, "%.1f MiB/s", perSecond / MIB);
  }

  private double seconds() {
    return Math.max(1e-3, (System.nanoTime() - started) / 1e9);
  }

  @Override
  public void close() {
    if (bar != null && !isClosed) {
      isClosed = true;
      bar.close();
    }
  }
}
