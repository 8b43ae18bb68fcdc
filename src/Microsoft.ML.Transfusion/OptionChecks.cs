// Ranges of options, in one wording: name, value, what would be right.
using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Transfusion;

internal sealed class OptionChecks(IExceptionContext context)
{
    /// <exception cref="ArgumentOutOfRangeException">The condition does not hold.</exception>
    public void That(bool holds, string option, object? value, string needed)
    {
        if (!holds)
            throw context.Process(new ArgumentOutOfRangeException(option, value, $"{option} is {value ?? "null"}; it must be {needed}."));
    }

    /// <exception cref="ArgumentNullException">The value is null.</exception>
    public void NotNull([NotNull] object? value, string option)
    {
        if (value is null)
            throw context.Process(new ArgumentNullException(option, $"{option} is null; leave it out to use its default."));
    }

    /// <exception cref="ArgumentException">The name is null or empty.</exception>
    public void Name(string? name, string option)
    {
        if (string.IsNullOrWhiteSpace(name))
            throw context.Process(new ArgumentException($"{option} is empty; it must name a column.", option));
    }

    /// <exception cref="ArgumentException">Two names are equal.</exception>
    public void Distinct(IReadOnlyList<string> names, string option)
    {
        if (names.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw context.Process(new ArgumentException($"'{twice.Key}' occurs twice in {option}; column names must differ.", option));
    }

    /// <exception cref="ArgumentException">An option of generation is out of its range, or not for such a model.</exception>
    public void Generation([NotNull] GenerationOptions? generation, string option, DiffusionConfig model)
    {
        NotNull(generation, option);
        generation.Validate(option + ".");
        generation.RequireFit(model, option + ".");
    }

    public void Finite(double value, string option, bool aboveZero = false) =>
        That(double.IsFinite(value) && (aboveZero ? value > 0 : value >= 0), option, value, aboveZero ? "a finite number above 0" : "a finite number, 0 or above");

    public void Share(double value, string option) => That(value is >= 0 and <= 1, option, value, "in [0, 1]");

    public void Decay(double value, string option) => That(value is >= 0 and < 1, option, value, "in [0, 1)");
}
