using Microsoft.ML.Transfusion.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Generation;

public sealed class TokenSamplerTests : IDisposable
{
    private const int Draws = 3000;
    private static readonly float[] Probabilities = [0.05f, 0.4f, 0.1f, 0.25f, 0.2f];
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _generator = new(1, CPU);
    private readonly float[] _logits = [.. Probabilities.Select(p => MathF.Log(p))];
    private readonly bool[] _everything = [true, true, true, true, true];

    public void Dispose()
    {
        _generator.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void Sample_takes_the_likeliest_token_at_temperature_0() =>
        Assert.Equal([0, Draws, 0, 0, 0], Count(new GenerationOptions { Temperature = 0 }));

    [Fact]
    public void Sample_takes_the_likeliest_allowed_token_at_temperature_0() =>
        Assert.Equal(3, Sample([true, false, true, true, true], new GenerationOptions()));

    [Theory]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(2)]
    public void Sample_follows_the_distribution_that_the_temperature_gives(double temperature)
    {
        double[] weights = [.. Probabilities.Select(p => Math.Pow(p, 1 / temperature))];

        AssertDistribution(weights, Count(new GenerationOptions { Temperature = temperature }));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1, 3)]
    [InlineData(4, 1, 3, 4, 2)]
    [InlineData(0, 0, 1, 2, 3, 4)]
    [InlineData(99, 0, 1, 2, 3, 4)]
    public void Sample_keeps_to_the_k_likeliest(int topK, params int[] kept) =>
        AssertDistribution(Keep(kept), Count(new GenerationOptions { Temperature = 1, TopK = topK }));

    [Theory]
    [InlineData(0.01, 1)]
    [InlineData(0.39, 1)]
    [InlineData(0.5, 1, 3)]
    [InlineData(0.8, 1, 3, 4)]
    [InlineData(0.99, 0, 1, 2, 3, 4)]
    [InlineData(1, 0, 1, 2, 3, 4)]
    public void Sample_keeps_to_the_likeliest_that_reach_p(double topP, params int[] kept) =>
        AssertDistribution(Keep(kept), Count(new GenerationOptions { Temperature = 1, TopP = topP }));

    [Fact]
    public void Sample_never_gives_a_token_that_is_not_allowed()
    {
        bool[] allowed = [true, false, true, false, true];
        foreach (GenerationOptions options in (GenerationOptions[])[new() { Temperature = 1 }, new() { Temperature = 5, TopK = 4 }, new() { Temperature = 0.1, TopP = 0.99 }, new() { Temperature = 1, TopK = 5, TopP = 0.5 }])
            for (int draw = 0; draw < 300; draw++)
                Assert.Contains(Sample(allowed, options), (int[])[0, 2, 4]);
    }

    [Fact]
    public void Sample_is_decided_by_its_generator()
    {
        int[] Draw()
        {
            using var generator = new Generator(7, CPU);
            return [.. Enumerable.Range(0, 50).Select(_ => TokenSampler.Sample(_logits, _everything, new GenerationOptions { Temperature = 1 }, [], generator).Token)];
        }

        Assert.Equal(Draw(), Draw());
        Assert.True(Draw().Distinct().Count() > 1);
    }

    [Theory]
    [InlineData(0, 0, 1, 2, 3, 4)]
    [InlineData(0.2, 1, 2, 3, 4)]
    [InlineData(0.3, 1, 3, 4)]
    [InlineData(0.6, 1, 3)]
    [InlineData(1, 1)]
    public void Sample_keeps_to_what_is_likely_enough_beside_the_likeliest(double minP, params int[] kept) =>
        AssertDistribution(Keep(kept), Count(new GenerationOptions { Temperature = 1, MinP = minP }));

    [Fact]
    public void A_repetition_penalty_makes_earlier_tokens_less_likely()
    {
        float[] logits = [2, 1, -1];
        int Greedy(double penalty, params int[] earlier) => TokenSampler.Sample(logits, [true, true, true], new GenerationOptions { RepetitionPenalty = penalty }, earlier, _generator).Token;

        Assert.Equal(0, Greedy(1.5, 0, 0, 0));                        // 2 / 1.5 is still above 1, however often it was said
        Assert.Equal(1, Greedy(2.5, 0));
        Assert.Equal(0, Greedy(0.1, 2));                              // −1 · 0.1 stays below
    }

    [Fact]
    public void Sample_tells_the_models_own_log_probability_among_allowed_tokens()
    {
        (int token, double logProbability) = TokenSampler.Sample(_logits, [true, false, true, true, true], new GenerationOptions { Temperature = 5, TopK = 1, RepetitionPenalty = 3 }, [0], _generator);

        Assert.Equal(3, token);
        Assert.Equal(Math.Log(0.25 / 0.6), logProbability, 6);
    }

    private int Sample(bool[] allowed, GenerationOptions options) => TokenSampler.Sample(_logits, allowed, options, [], _generator).Token;

    private int[] Count(GenerationOptions options)
    {
        var counts = new int[5];
        for (int draw = 0; draw < Draws; draw++)
            counts[Sample(_everything, options)]++;
        return counts;
    }

    private static double[] Keep(int[] kept) => [.. Probabilities.Select((p, token) => kept.Contains(token) ? p : 0.0)];

    /// <summary>A chi-square test at far less than one failure in a million; tokens of no weight must never come.</summary>
    private static void AssertDistribution(double[] weights, int[] counts)
    {
        double chiSquare = 0, total = weights.Sum();
        for (int token = 0; token < weights.Length; token++)
        {
            double expected = Draws * weights[token] / total;
            if (expected == 0)
                Assert.Equal(0, counts[token]);
            else
                chiSquare += (counts[token] - expected) * (counts[token] - expected) / expected;
        }
        Assert.InRange(chiSquare, 0, 40);
    }
}
