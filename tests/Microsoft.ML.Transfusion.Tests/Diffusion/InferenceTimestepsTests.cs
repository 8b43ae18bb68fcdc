using Microsoft.ML.Transfusion.Diffusion;

namespace Microsoft.ML.Transfusion.Tests.Diffusion;

public sealed class InferenceTimestepsTests
{
    [Theory]
    [InlineData(TimestepSpacing.Leading, 0, new[] { 6, 3, 0 })]
    [InlineData(TimestepSpacing.Leading, 1, new[] { 7, 4, 1 })]
    [InlineData(TimestepSpacing.Trailing, 0, new[] { 9, 6, 2 })]        // 10, 6.67 and 3.33 are rounded, and one less
    [InlineData(TimestepSpacing.Trailing, 1, new[] { 9, 6, 2 })]
    [InlineData(TimestepSpacing.Linspace, 0, new[] { 9, 4, 0 })]        // 4.5 goes to the even neighbour
    public void Space_visits_three_of_ten(TimestepSpacing spacing, int offset, int[] expected) =>
        Assert.Equal(expected, InferenceTimesteps.Space(10, 3, spacing, offset));

    [Fact]
    public void Space_rounds_halves_to_the_even_neighbour() =>
        Assert.Equal([4, 1], InferenceTimesteps.Space(5, 2, TimestepSpacing.Trailing));                // 5 and 2.5, one less

    [Fact]
    public void Walk_leads_from_each_timestep_to_the_next_and_at_last_to_the_clean_image() =>
        Assert.Equal([new ReverseStep(9, 6), new ReverseStep(6, 2), new ReverseStep(2, -1)], InferenceTimesteps.Walk([9, 6, 2]));
}
